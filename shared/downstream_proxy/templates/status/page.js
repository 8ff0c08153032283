
"use strict";
// Each event is the page's content as the server would send it now. Only what differs is touched, so that
// nothing jumps and a selection stays.
function patch(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes], after = [...next.childNodes];
  after.forEach((child, n) => {
    if (n >= before.length) old.append(child);
    else if (before[n].nodeName !== child.nodeName) before[n].replaceWith(child);
    else patch(before[n], child);
  });
  before.slice(after.length).forEach((child) => child.remove());
}
let source = null;
function look() {
  source = new EventSource(location.pathname);
  source.onmessage = (event) => {
    const made = document.createElement("template");
    made.innerHTML = JSON.parse(event.data);
    patch(document.querySelector("main"), made.content.firstElementChild);
    document.body.dataset.live = "yes";
    document.body.dataset.events = Number(document.body.dataset.events || 0) + 1;
  };
  source.onerror = () => {
    // A server that went on to its next process ends the stream; the browser comes again by itself.
    document.body.dataset.live = "lost";
  };
}
// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) { source.close(); source = null; }
  else if (!document.hidden && !source) look();
});
look();
