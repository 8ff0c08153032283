// What the page tries. A check returns one line of evidence or throws; nothing here touches the page.
// Only statuses below 400 are asked for: a browser writes the others to its console as errors.

const need = (truth, message) => { if (!truth) throw new Error(message); };
const fresh = (target, options = {}) => fetch(target, { cache: "no-store", ...options });
const hex = (buffer) => [...new Uint8Array(buffer)].map((octet) => octet.toString(16).padStart(2, "0")).join("");
const ms = (from) => Math.round(performance.now() - from);

async function subResources() {
  const sheet = getComputedStyle(document.documentElement).getPropertyValue("--sheet-loaded").trim();
  need(sheet === "1", "the style sheet did not arrive");
  const picture = document.getElementById("drawing");
  if (!picture.complete) await picture.decode();
  need(picture.naturalWidth > 0, "the picture did not arrive");
  const loaded = performance.getEntriesByType("resource").filter((entry) => /static|image/.test(entry.name));
  return `${loaded.length} files: style, scripts, picture`;
}

async function target() {
  const asked = "/echo/a%2Fb/%7Euser/%2520?q=1+1&empty=&semi=a;b&tilde=%7E";
  const seen = await (await fresh(asked)).json();
  need(seen.target === asked, `the downstream saw ${seen.target}`);
  return "escapes, plus signs and order arrived byte for byte";
}

async function headerPairs() {
  const seen = await (await fresh("/echo", { headers: { "X-Demo": "grün".normalize() } })).json();
  const pair = seen.headers.find(([name]) => name.toLowerCase() === "x-demo");
  need(pair && pair[1] === "gr\u00fcn", "the field with a byte above 0x7F was changed");
  const doubled = seen.headers.filter(([name]) => name.toLowerCase() === "host").length;
  need(doubled === 1, `Host arrived ${doubled} times`);
  return `${seen.headers.length} fields, a Latin-1 value kept, one Host`;
}

async function upload() {
  const body = crypto.getRandomValues(new Uint8Array(65536));
  const whole = new Blob(Array.from({ length: 64 }, () => body));
  const said = await (await fresh("/upload", { method: "POST", body: whole })).json();
  need(said.bytes === whole.size, `${said.bytes} of ${whole.size} bytes arrived`);
  // Digests exist only in a secure context; 127.0.0.1 is one, another host name over plain HTTP is not.
  if (!crypto.subtle) return `${said.bytes / 1048576} MiB counted`;
  const sum = hex(await crypto.subtle.digest("SHA-256", await whole.arrayBuffer()));
  need(sum === said.sha256, "the digests differ");
  return `${said.bytes / 1048576} MiB in ${said.pieces} pieces, digests equal`;
}

async function download() {
  const response = await fresh("/bytes/4194304?seed=7");
  const length = Number(response.headers.get("content-length"));
  const body = await response.arrayBuffer();
  need(length === body.byteLength && length === 4194304, `${body.byteLength} bytes under a length of ${length}`);
  return "4 MiB with its Content-Length";
}

async function stream() {
  const began = performance.now();
  const reader = (await fresh("/stream/5?interval=0.12")).body.getReader();
  const times = [];
  for (;;) {
    const { done } = await reader.read();
    if (done) break;
    times.push(ms(began));
  }
  need(times.length >= 4, `5 lines came in ${times.length} pieces: something buffers`);
  return `5 lines after ${times.join(", ")} ms`;
}

function events() {
  return new Promise((resolve, reject) => {
    const source = new EventSource("/sse?n=4&interval=0.1");
    const times = [], began = performance.now();
    source.onmessage = () => times.push(performance.now());
    source.onerror = () => { source.close(); reject(new Error(`broke off after ${times.length} events`)); };
    source.addEventListener("end", () => {
      source.close();
      const spread = Math.round(times.at(-1) - times[0]);
      if (times.length !== 4) reject(new Error(`${times.length} of 4 events`));
      else if (spread < 150) reject(new Error(`all within ${spread} ms: something buffers`));
      else resolve(`4 events over ${spread} ms, the first after ${Math.round(times[0] - began)} ms`);
    });
  });
}

function socket() {
  return new Promise((resolve, reject) => {
    const line = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws`, ["unknown", "chat"]);
    line.binaryType = "arraybuffer";
    const seen = [];
    line.onopen = () => { line.send("text"); line.send(new Uint8Array([0, 255, 10])); line.send("close 4001 bye"); };
    line.onmessage = ({ data }) => seen.push(typeof data === "string" ? data : hex(data));
    line.onerror = () => reject(new Error("the connection failed"));
    line.onclose = ({ code, reason }) => {
      if (seen.join() !== "text,00ff0a") reject(new Error(`echoed ${seen.join()}`));
      else if (line.protocol !== "chat") reject(new Error(`subprotocol ${line.protocol || "none"}`));
      else if (code !== 4001 || reason !== "bye") reject(new Error(`closed with ${code} ${reason}`));
      else resolve("text and binary echoed, subprotocol chat, close 4001 bye");
    };
  });
}

async function codings() {
  for (const coding of ["gzip", "deflate"]) {
    const response = await fresh(`/${coding}`);
    need(response.headers.get("content-encoding") === coding, `${coding} was taken off`);
    need(response.headers.get("etag"), "the entity tag was lost");
    need((await response.json())["grüße"] === "ÄÖÜ", `${coding} did not decode`);
  }
  return "gzip and deflate untouched, with their tags";
}

async function conditional() {
  const response = await fresh("/etag/v1", { headers: { "If-None-Match": '"v1"' } });
  need(response.status === 304, `status ${response.status}`);
  need(response.headers.get("etag") === '"v1"', "the entity tag was lost");
  return "If-None-Match answered with 304";
}

async function range() {
  const response = await fresh("/range/1000", { headers: { Range: "bytes=26-51" } });
  need(response.status === 206, `status ${response.status}`);
  need(response.headers.get("content-range") === "bytes 26-51/1000", "Content-Range differs");
  need((await response.text()) === "abcdefghijklmnopqrstuvwxyz", "other bytes");
  return "206 with exactly the bytes asked for";
}

async function cookies() {
  const seen = await (await fresh("/cookies/set?first=1&second=2&third=3")).json();
  const names = seen.cookies.map(([name]) => name).filter((name) => /^(first|second|third)$/.test(name));
  need(names.length === 3, `only ${names.join(", ") || "none"} came back`);
  return "three Set-Cookie fields stayed three";
}

async function redirects() {
  const response = await fresh("/redirect/3");
  need(response.redirected && new URL(response.url).pathname === "/echo", `ended at ${response.url}`);
  need(new URL(response.url).host === location.host, "left this address");
  return "three redirects relayed, followed by the browser";
}

async function emptyAnswers() {
  const head = await fresh("/bytes/5000", { method: "HEAD" });
  need(head.headers.get("content-length") === "5000", "HEAD lost its Content-Length");
  const none = await fresh("/status/204");
  need(none.status === 204 && (await none.text()) === "", "204 came with a body");
  return "HEAD keeps its length, 204 has no body";
}

async function delay() {
  const began = performance.now();
  need((await (await fresh("/delay/0.3")).json()).delayed === 0.3, "another answer");
  return `answered after ${ms(began)} ms`;
}

async function parallel() {
  const began = performance.now();
  const all = await Promise.all(Array.from({ length: 24 }, async (_, n) => {
    const seen = await (await fresh(`/echo?n=${n}`)).json();
    return seen.target === `/echo?n=${n}`;
  }));
  need(all.every(Boolean), "an answer went to the wrong request");
  return `24 at once, each its own answer, ${ms(began)} ms`;
}

export const CHECKS = [
  ["Sub-resources", subResources], ["Request target", target], ["Header fields", headerPairs],
  ["Upload", upload], ["Download", download], ["Streaming", stream],
  ["Server-sent events", events], ["WebSocket", socket], ["Content codings", codings],
  ["Conditional request", conditional], ["Byte range", range], ["Cookies", cookies],
  ["Redirects", redirects], ["HEAD and 204", emptyAnswers], ["Delay", delay], ["Many at once", parallel],
];
