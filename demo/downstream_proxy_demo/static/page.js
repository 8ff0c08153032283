// Runs the checks one after the other, shows them, and fills the tables. `document.body.dataset.result` ends as
// "pass" or "fail", for whoever drives the browser.

import { CHECKS } from "/static/checks.js";
import { openSocket, watchEvents } from "/static/widgets.js";

const byId = (id) => document.getElementById(id);
const FROM_PROXY = /^(via|forwarded|x-forwarded-.*|x-real-ip|x-request-id)$/i;
const LIMIT_MS = 15000;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function within(promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no answer in 15 s")), LIMIT_MS));
  return Promise.race([promise, late]);
}

function verdict(state, text) {
  byId("verdict").dataset.state = state;
  byId("verdict-text").textContent = text;
}

async function runChecks() {
  const rows = CHECKS.map(([title]) => element("li", {},
    element("span", { className: "mark", textContent: "…" }), element("b", { textContent: title }),
    element("span", { className: "said", textContent: "waiting" })));
  byId("checks").replaceChildren(...rows);
  verdict("running", "Running the checks.");
  let passed = 0;
  for (const [index, [, check]] of CHECKS.entries()) {
    const [mark, , said] = rows[index].children;
    said.textContent = "running";
    try {
      said.textContent = await within(check());
      rows[index].dataset.state = "pass";
      mark.textContent = "✓";
      passed += 1;
    } catch (error) {
      said.textContent = error.message;
      rows[index].dataset.state = "fail";
      mark.textContent = "✗";
    }
    verdict("running", `${passed} of ${CHECKS.length} checks pass so far.`);
  }
  return passed;
}

async function showWhatArrived() {
  const seen = await (await fetch("/echo?from=page", { cache: "no-store" })).json();
  byId("saw-line").textContent = `${seen.method} ${seen.target} ${seen.version}`;
  byId("saw").tBodies[0].replaceChildren(...seen.headers.map(([name, value]) => element("tr",
    { className: FROM_PROXY.test(name) ? "ours" : "" },
    element("td", { textContent: name }), element("td", { textContent: value }))));
  const value = (wanted) => seen.headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
  byId("saw-note").textContent = byId("saw").querySelector(".ours") ? "Blue: added by the proxy." : "";
  const added = seen.headers.filter(([name]) => FROM_PROXY.test(name)).length;
  byId("route").textContent = value("via")
    ? `${location.host}, through the proxy that calls itself “${value("via")}”. It added ${added} fields.`
    : added ? `${location.host}, through a proxy that added ${added} fields.`
      : `${location.host}, straight from the downstream: no proxy in between.`;
}

async function listEndpoints() {
  const rows = await (await fetch("/endpoints", { cache: "no-store" })).json();
  byId("endpoints").tBodies[0].replaceChildren(...rows.map((row) => element("tr", {},
    element("td", { textContent: row.methods }),
    element("td", {}, element(row.opens ? "a" : "span", { href: row.example, textContent: row.example })),
    element("td", { textContent: row.says }))));
}

const settled = (id) => new Promise((resolve) => {
  const look = () => byId(id).dataset.state !== "running" && (watcher.disconnect(), resolve(byId(id).dataset.state));
  const watcher = new MutationObserver(look);
  watcher.observe(byId(id), { attributes: true });
  look();
});

let open = [];

async function run() {
  byId("again").disabled = true;
  delete document.body.dataset.result;
  open.forEach((connection) => connection.close());
  open = [watchEvents(), openSocket()];
  const passed = await runChecks();
  const live = await Promise.all(["events", "socket"].map((id) => within(settled(id)).catch(() => "fail")));
  const failed = CHECKS.length - passed + live.filter((state) => state !== "pass").length;
  const count = CHECKS.length + live.length;
  verdict(failed ? "fail" : "pass", failed ? `${failed} of ${count} checks fail.` : `All ${count} checks pass.`);
  document.body.dataset.result = failed ? "fail" : "pass";
  byId("again").disabled = false;
}

byId("again").onclick = run;
showWhatArrived();
listEndpoints();
run();
