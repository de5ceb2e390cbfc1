// Brings the pieces of the page anew as the server sends them; the page is whole without it.
// What a person has opened, focused, selected or scrolled stays: only what differs is touched.
"use strict";

const live = document.getElementById("live");
const announced = document.getElementById("announced");

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

function show(on) {
  live.dataset.state = on ? "on" : "off";
  if (on) live.textContent = "live";
  else live.textContent = "not live, trying again";
}

const source = new EventSource("/events");
source.addEventListener("open", () => show(true));
source.addEventListener("error", () => show(false));
source.addEventListener("pieces", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    const element = document.getElementById(id);
    if (!element) continue;
    const template = document.createElement("template");
    template.innerHTML = html;
    morphChildren(element, template.content);
  }
});
source.addEventListener("title", (event) => {
  const { page, said } = JSON.parse(event.data);
  if (document.title !== page) document.title = page;
  if (announced.textContent !== said) announced.textContent = said;
});
source.addEventListener("leave", () => location.reload());
