// The two live cards: events as they arrive, and a WebSocket to talk through. Both start themselves.

const GREETING = "hello from the page";
const byId = (id) => document.getElementById(id);

export function watchEvents() {
  const total = 12, card = byId("events"), bars = byId("events-bars");
  const source = new EventSource(`/sse?n=${total}&interval=0.25`);
  let count = 0, last = performance.now(), longest = 0;
  card.dataset.state = "running";
  bars.replaceChildren();
  byId("events-total").textContent = total;
  source.onmessage = () => {
    const now = performance.now(), gap = now - last;
    last = now;
    byId("events-count").textContent = ++count;
    const bar = document.createElement("i");
    bar.style.height = `${Math.min(100, gap / 5)}%`;
    bars.append(bar);
    if (count > 1) longest = Math.max(longest, gap);
    byId("events-note").textContent = `Each bar is the wait before an event; the last ${Math.round(gap)} ms.`;
  };
  source.addEventListener("end", () => {
    source.close();
    card.dataset.state = count === total ? "pass" : "fail";
    byId("events-note").textContent = `Sent every 250 ms; the longest wait was ${Math.round(longest)} ms.`;
  });
  source.onerror = () => {
    source.close();
    card.dataset.state = "fail";
    byId("events-note").textContent = `Broke off after ${count} events.`;
  };
  return source;
}

export function openSocket() {
  const card = byId("socket"), log = byId("socket-log");
  const line = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws`, "echo.demo");
  const sent = [];
  let rounds = 0;
  const say = (text) => {
    const row = document.createElement("li");
    row.textContent = text;
    log.append(row);
    while (log.children.length > 4) log.firstChild.remove();
  };
  const send = (text) => {
    if (line.readyState !== WebSocket.OPEN) return say("the socket is not open; run again");
    sent.push(performance.now());
    line.send(text);
  };
  card.dataset.state = "running";
  log.replaceChildren();
  line.onopen = () => { say(`open, subprotocol ${line.protocol || "none"}`); send(`${GREETING} 1`); };
  line.onmessage = ({ data }) => {
    const took = performance.now() - sent.shift();
    byId("socket-time").textContent = took < 10 ? took.toFixed(1) : Math.round(took);
    say(`← ${data}`);
    // The first messages travel while the page still loads, so the third is the one to read.
    if (++rounds < 3) send(`${GREETING} ${rounds + 1}`);
    else card.dataset.state = "pass";
  };
  line.onclose = ({ code, reason }) => {
    say(`closed with ${code} ${reason}`.trim());
    if (card.dataset.state === "running") card.dataset.state = "fail";
  };
  byId("socket-form").onsubmit = (event) => { event.preventDefault(); send(byId("socket-input").value); };
  return line;
}
