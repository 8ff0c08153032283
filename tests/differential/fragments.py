"""Pieces of requests that readers are known to disagree on. Tables only."""

from __future__ import annotations

from .grammar import INNER, METHODS

NOISE = (
    b"\x00", b"\t", b"\n", b"\x0b", b"\x0c", b"\r", b"\x1b", b" ", b"\x7f", b"\x80", b"\x85", b"\xa0",
    b"\xff", b":", b";", b",", b'"', b"/", b"\\", b"_", b"#", b"@", b"(", b"\r\n", b"\r\n ", b"\n\n",
    b"\xef\xbb\xbf",
)  # fmt: skip
LINE_ENDS = (
    b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b" \r\n", b"\t\r\n", b"\x0b\r\n", b"\x85", b"\x00\r\n",
    b"\r\n ", b"\r\n\t", b"\r \n", b"\n\n", b"",
)  # fmt: skip
CODINGS = (
    b"chunked", b"Chunked", b"chunked,", b",chunked", b"chunked, ,", b"chunked, identity",
    b"identity, chunked", b"identity", b"chunked chunked", b"chunked, chunked", b"xchunked", b"chunkedx",
    b'"chunked"', b"chunked;q=1", b"chunk", b"gzip, chunked", b"chunked, gzip", b"gzip", b"chunked\x00",
    b"chunked\x0b", b"\x0bchunked", b"\x0cchunked", b"", b"chu\tnked", b"chunked\r", b"\xa0chunked",
    b"chunked\xa0", b"ch\xfcnked", b"\nchunked", b"\r\n chunked", b"chunked\r\n ", b"\x00chunked",
    b"chunked\t", b"'chunked'", b"deflate", b"trailers",
)  # fmt: skip
LENGTHS = (
    b"5", b"+5", b"-5", b"05", b"5 ", b"5,5", b"5, 5", b"5,6", b"0x5", b"5.0", b"5e0", b"", b" ", b"5\x00",
    b"5;", b"5 5", b"0", b"6", b"4", b"10", b"00", b"999999999999999999999", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551621", b"4294967301", b"00000000000000000000005", b"0_5",
    b"\x0b5", b"5\r", b'"5"', b"\xd9\xa5", b"\xb2", b"5\t", b"\t5", b"five", b"5\n", b"5,", b",5", b"-0",
    b"5\r\n ", b"\r\n 5", b"1 0",
)  # fmt: skip
HOSTS = (
    b"", b"proxy", b"proxy:80", b"proxy:", b"proxy:99999999", b"proxy:8a", b"proxy:-1", b"proxy, evil",
    b"proxy evil", b"proxy/evil", b"proxy?x", b"proxy#x", b"user@proxy", b"user:pw@proxy", b"[::1]",
    b"[::1]:80", b"[::1", b"::1", b"[::1]x", b"[v1.a]", b"proxy\x00", b"proxy\t", b"pro\txy", b"\xc3\xa9",
    b"caf\xe9", b"%70roxy", b"%zz", b"http://p", b"proxy;a", b"proxy\\evil", b"*", b".", b"-", b"_",
    b"127.1", b"0x7f.1", b"proxy:080", b"proxy:80:80", b"pr,oxy", b"<script>", b"\"proxy\"", b"proxy|x",
    b"a" * 300, b"proxy\r", b"proxy\n", b"[::ffff:127.0.0.1]", b"[fe80::1%25eth0]", b"[fe80::1%eth0]",
    b":80", b"@",
)  # fmt: skip
TARGETS = (
    b"/", b"", b"*", b"a", b"/a b", b"/a\tb", b"/a\x00b", b"/a#b", b"//evil/a", b"/\\evil", b"\\evil",
    b"http://proxy/a", b"http://proxy", b"http://proxy?a", b"http://evil/a", b"https://proxy/a",
    b"HTTP://PROXY/a", b"http://u@proxy/", b"http:///a", b"http://", b"http:/a", b"http:a", b"ftp://proxy/",
    b"proxy:80", b"proxy", b"?a", b"/?", b"/%", b"/%zz", b"/%00", b"/%0d%0aX:y", b"/..", b"/../..",
    b"/a/../..", b"/%2e%2e/", b"/caf\xc3\xa9", b"/\xff", b"/\x7f", b"/a\x0bb", b"/-/healthy",
    b"/-/../-/metrics", b"/-/nothing", b"/" + b"a" * 8100, b"/" + b"a" * 8200, b"/\"<>{}|^`", b"/;", b"/,",
    b"http://proxy:80/a", b"http://[::1]/a", b"http://proxy\\@evil/", b"http://proxy#/", b"//", b"///",
    b"/ HTTP/1.1", b"/a\r", b"@evil/", b"http://pro xy/", b"http://%70roxy/", b"/-/ready?x", b"/\r\n",
    b"ws://proxy/", b"/a?b#",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3", b"HTTP/1",
    b"HTTP/1.", b"HTTP/.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.01", b"http/1.1", b"Http/1.1", b"HTTP 1.1",
    b"HTTP/1,1", b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1.1x", b"HTTPS/1.1", b"HTTP//1.1", b"HTTP/1.1\t", b"",
    b"HTTP", b"ICY/1.0", b"HTTP/+1.1", b"HTTP/1.-1", b"HTTP/1.\xb9", b"HTTP/\x001.1", b"RTSP/1.0",
    b"SIP/2.0",
)  # fmt: skip
ODD_METHODS = (
    *METHODS, b"TRACE", b"CONNECT", b"PRI", b"", b" GET", b"GET ", b"G ET", b"GE(T", b"GET\t", b"\x00GET",
    b"G\xc9T", b"\"GET\"", b"GET,", b"GET:", b"TRACE/", b"connect", b"trace", b"M" * 300, b"\r\nGET",
    b"\nGET", b"\r\n\r\nGET", b"!", b"~", b"{}", b"Pri", b"\x16\x03\x01", b"HTTP/1.1 200 OK\r\nGET",
    b"\xef\xbb\xbfGET", b"GET\x00", b"OPTIONS", b"HEAD",
)  # fmt: skip
UPGRADES = (
    b"websocket", b"WebSocket", b"h2c", b"TLS/1.0", b"foo, websocket", b"websocket, foo", b"websocket/13",
    b"", b'"websocket"',
)  # fmt: skip
CONNECTIONS = (
    b"Upgrade", b"upgrade", b"keep-alive, Upgrade", b"close", b"close, Upgrade", b"Upgrade, close",
    b"keep-alive", b"Host", b"Content-Length", b"Transfer-Encoding", b"Cookie, X-A", b"X-Forwarded-For",
    b"Via", b",,", b"close\x0b", b"c lose", b"\"close\"", b"clos\xe9", b"close;a", b"CLOSE,",
    b"keep-alive, close", b"Upgrade, HTTP2-Settings", b"Expect", b"X-Request-ID", b"te",
)  # fmt: skip
EXPECTS = (
    b"100-continue", b"100-Continue", b"100-continue, 100-continue", b"200-ok", b"", b"100",
    b"100-continue;a=b", b'"100-continue"',
)  # fmt: skip
TRAILERS = (
    b"X-T: a\r\n", b"X-T\r\n", b" X-T: a\r\n", b"X-T : a\r\n", b"X-T: a\n", b"X-T: a\r\n b\r\n", b": a\r\n",
    b"Content-Length: 7\r\n", b"Host: evil\r\n", b"X-T: \x00\r\n", b"X-T: a\rb\r\n",
    b"X" * 9000 + b": a\r\n", b"X-T: " + b"x" * 17000 + b"\r\n", b"X-T: a\r\n" * 70,
    b"Transfer-Encoding: chunked\r\n", INNER[:-2],
)  # fmt: skip
CHUNK_DATA = (
    b"hell", b"hello!", b"hello\r\n", b"", b"hello\r\n\r\n", INNER[:5], b"\r\n\r\n\r",
)  # fmt: skip
CHUNK_EXTENSIONS = (
    b";a", b";a=b", b";", b";;", b" ;a", b"; a", b';a="\r\n"', b";a\nb", b";a\rb", b";a\x00", b";\xff",
    b";a=\"b", b" a", b";" + b"x" * 5000, b",a", b"\t;a", b";a=b ", b";\x7f", b";0\r\n\r\n",
)  # fmt: skip
CHUNK_SIZES = (
    b"+%x", b"-%x", b"0x%x", b" %x", b"%x ", b"%x\t", b"0_%x", b"%x\x00", b"0%x", b"", b"g", b"%xh",
    b"1000000000%x", b"10000000000000000%x", b"f" * 17, b"7fffffffffffffff", b"\xb2%x", b"%x.0", b"%x,",
    b"%x\r", b"00000000000000000%x",
)  # fmt: skip
