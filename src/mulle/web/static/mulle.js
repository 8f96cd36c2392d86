// Keyboard, search, theme, copying. Everything works without this file; it only makes the hands faster.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// The theme and the language are cookies: the server renders both, so no page flashes.
function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
}

function nextTheme() {
  const order = ["auto", "light", "dark"];
  const root = document.documentElement;
  const theme = order[(order.indexOf(root.dataset.theme || "auto") + 1) % order.length];
  root.dataset.theme = theme;
  remember("theme", theme);
  $$("[data-theme-name]").forEach((element) => { element.hidden = element.dataset.themeName !== theme; });
  document.dispatchEvent(new CustomEvent("mulle:theme"));
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 900);
}

// Rows: j and k move, Enter opens.
let selected = -1;
function select(step) {
  const rows = $$("main tr[data-href], main li[data-href]");
  if (!rows.length) return;
  rows[selected]?.classList.remove("selected");
  selected = Math.max(0, Math.min(rows.length - 1, selected + step));
  rows[selected].classList.add("selected");
  rows[selected].scrollIntoView({ block: "nearest" });
}
function open() {
  const row = $$("main tr[data-href], main li[data-href]")[selected];
  if (row) location.href = row.dataset.href;
}

const go = Object.fromEntries($$("[data-go]").map((link) => [link.dataset.go, link.href]));
let waiting = 0; // when `g` was pressed
const keys = {
  "/": () => $("#search").showModal(),
  "?": () => $("#help").showModal(),
  j: () => select(1),
  k: () => select(-1),
  Enter: open,
  c: () => { const button = $("[data-copy]"); if (button) copy(button); },
  d: nextTheme,
  l: () => $("[data-language]:not([aria-current])")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea, [contenteditable]") || $("dialog[open]")) return;
  if (event.key === "Enter" && event.target.matches("a, button, summary")) return;
  const second = Date.now() - waiting < 1200;
  waiting = 0;
  if (second && go[event.key]) { location.href = go[event.key]; return; }
  if (event.key === "g") { waiting = Date.now(); return; }
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

document.addEventListener("click", (event) => {
  const target = event.target;
  const button = target.closest("[data-copy]");
  if (button) copy(button);
  if (target.closest("[data-theme-toggle]")) nextTheme();
  const opener = target.closest("[data-open]");
  if (opener) $(opener.dataset.open).showModal();
  if (target.closest("[data-close]")) target.closest("dialog").close();
  if (target.matches("dialog")) target.close();
  const row = target.closest("tr[data-href]");
  if (row && !target.closest("a, button, input, summary") && !String(getSelection())) location.href = row.dataset.href;
});

// A choice in a filter is made at once.
document.addEventListener("change", (event) => event.target.closest("form[data-autosubmit]")?.requestSubmit());

// In the search results the arrows walk, as in every palette.
$("#search")?.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
  const links = $$("#search .results a");
  const at = links.indexOf(document.activeElement);
  if (event.key === "Enter") {
    if (at < 0 && links[0]) { event.preventDefault(); links[0].click(); }
    return;
  }
  event.preventDefault();
  const next = event.key === "ArrowDown" ? at + 1 : at - 1;
  (links[next] || $("#search input")).focus();
});

// A log that grows: the server sends its new lines; the reader stays at the end unless they scrolled up.
let log = null;
function followLog() {
  const shown = $("pre[data-follow]");
  if (log && log.shown !== shown) { log.source.close(); log = null; }
  if (!shown || log) return;
  const source = new EventSource(shown.dataset.follow);
  log = { shown, source };
  source.addEventListener("lines", (event) => {
    const atEnd = shown.scrollHeight - shown.scrollTop - shown.clientHeight < 40;
    shown.append(JSON.parse(event.data).join("\n") + "\n");
    if (atEnd) shown.scrollTop = shown.scrollHeight;
  });
  source.addEventListener("end", () => source.close());
  addEventListener("pagehide", () => source.close());
}
document.addEventListener("htmx:after:swap", followLog);

// What was drawn for a former content of the page is drawn again after a fragment arrives.
document.addEventListener("htmx:after:swap", () => document.dispatchEvent(new CustomEvent("mulle:content")));
