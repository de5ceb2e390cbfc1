// Brings the pieces of the page anew as the server sends them; the page is whole without it.
// What a person has opened, focused, selected or scrolled stays: only what differs is touched.
// When no word comes from the server, the page says so and no longer claims what it cannot know.
"use strict";

const SILENT_MS = 10000; // the server says something every few seconds, if only that it is there
const AGAIN_MS = 3000;

const live = document.getElementById("live");
const announced = document.getElementById("announced");
const notice = document.getElementById("lost");
const told = { page: document.title, said: announced.textContent };
const bases = new WeakMap(); // of the ages: {mark, at}
let source = null;
let timer = 0;
let heard = Date.now();
let failures = 0;
let lost = false;

function morph(old, wanted) {
  if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) {
    old.replaceWith(wanted);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, wanted);
}

function morphChildren(old, wanted) {
  const children = [...wanted.childNodes];
  while (old.childNodes.length > children.length) old.lastChild.remove();
  children.forEach((child, place) => {
    if (place < old.childNodes.length) morph(old.childNodes[place], child);
    else old.append(child);
  });
}

function say(page, said) {
  if (document.title !== page) document.title = page;
  if (announced.textContent !== said) announced.textContent = said;
}

// Without word the page is old, looks it, and says so once.
function lose() {
  if (lost) return;
  lost = true;
  const words = `No word from the scorer: last heard at ${new Date(heard).toISOString().slice(11, 19)} UTC, by this computer's clock.`;
  notice.textContent = `${words} What is shown below is old. Trying again.`;
  notice.hidden = false;
  document.documentElement.dataset.stale = "";
  live.dataset.state = "off";
  live.textContent = "not live, trying again";
  say("No word \u00b7 Fraud scorer", `${words} What is shown is old.`);
  const health = document.getElementById("health");
  for (const who of health.querySelectorAll(".who")) who.textContent = `Not known now. Last heard: ${who.textContent}`;
  for (const state of health.querySelectorAll(".state")) state.className = "state";
  for (const level of health.querySelectorAll("td .level")) {
    level.className = "level";
    level.textContent = "? not known";
  }
  delete health.dataset.v; // so that it comes whole
}

function hear() {
  heard = Date.now();
  failures = 0;
  if (live.dataset.state !== "on") {
    live.dataset.state = "on";
    live.textContent = "live";
  }
  if (!lost) return;
  lost = false;
  notice.hidden = true;
  notice.textContent = "";
  delete document.documentElement.dataset.stale;
  say(told.page, `The page is live again. ${told.said}`);
}

function connect() {
  clearTimeout(timer);
  if (source) source.close();
  // What is here already need not come again.
  const pieces = [...document.querySelectorAll("[data-v]")];
  const mine = new EventSource(`/events?have=${pieces.map((each) => `${each.id}.${each.dataset.v}`).join(",")}`);
  source = mine;
  mine.addEventListener("error", () => {
    mine.close();
    if (mine !== source) return;
    failures += 1;
    // One that ends is begun anew at once: a proxy may have ended it. One that cannot begin is no word.
    timer = setTimeout(connect, failures === 1 ? 100 : AGAIN_MS);
    if (failures === 1) return;
    lose();
    leaveIfSignedOut();
  });
  mine.addEventListener("beat", hear);
  mine.addEventListener("pieces", (event) => {
    for (const [id, [version, html]] of Object.entries(JSON.parse(event.data))) {
      const element = document.getElementById(id);
      if (!element) continue;
      const template = document.createElement("template");
      template.innerHTML = html;
      morphChildren(element, template.content);
      element.dataset.v = version;
    }
    hear();
  });
  mine.addEventListener("title", (event) => {
    const again = lost;
    Object.assign(told, JSON.parse(event.data));
    if (again) hear();
    else if (!announced.textContent.endsWith(told.said)) say(told.page, told.said);
    else if (document.title !== told.page) document.title = told.page;
  });
  mine.addEventListener("leave", () => location.reload());
}

// After a restart of the server nobody is signed in.
async function leaveIfSignedOut() {
  try {
    const answer = await fetch("/events", { method: "HEAD" });
    if (answer.status === 401) location.reload();
  } catch {
    // It is not there: `connect` goes on trying.
  }
}

function duration(seconds) {
  for (const [longest, unit, name, decimals] of [
    [100, 1, "s", 0],
    [6000, 60, "min", 0],
    [172800, 3600, "h", 1],
  ]) {
    if (seconds < longest) return `${(seconds / unit).toFixed(decimals)}\u00a0${name}`;
  }
  return `${(seconds / 86400).toFixed(1)}\u00a0days`;
}

// Ages are counted on here, so that nothing is sent only because time goes by.
function tick() {
  const now = Date.now();
  if (now - heard > SILENT_MS && !lost) {
    lose();
    connect(); // silent, not ended: a new one may be answered, and brings everything that was changed here
  }
  for (const each of document.querySelectorAll("[data-age]")) {
    const mark = `${each.dataset.since} ${each.dataset.age}`;
    if (bases.get(each)?.mark !== mark) bases.set(each, { mark, at: now - 1000 * Number(each.dataset.age) });
    each.textContent = `${duration((now - bases.get(each).at) / 1000)} ago`;
  }
  for (const each of document.querySelectorAll("[data-fresh]")) {
    const text = lost ? `${duration((now - heard) / 1000)} ago` : "just now";
    if (each.textContent !== text) each.textContent = text;
  }
}

connect();
setInterval(tick, 1000);
