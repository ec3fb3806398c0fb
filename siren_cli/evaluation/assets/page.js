"use strict";
// The clips, the codec that is chosen in each, and the scores given so far.
const clips = JSON.parse(document.getElementById("data").textContent);
const scores = new Map();
let blind = false;
let current = 0;
const views = clips.map(() => ({ chosen: 0, order: [], items: [] }));

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function facts(codec) {
  const lines = [];
  if (codec.bytes) lines.push(`${codec.bytes.toLocaleString("en")} bytes, ${Math.round(codec.bps).toLocaleString("en")} bps`);
  if (codec.phones !== null && codec.phones !== undefined) lines.push(`phones right: ${(100 * codec.phones).toFixed(0)} %`);
  if (codec.words !== null) lines.push(`heard: ${codec.words || "nothing"}`);
  return lines.map((line) => element("p", { class: "facts open-only" }, line));
}

function scoreButtons(clip, place) {
  const group = element("fieldset", { class: "scores blind-only", "aria-label": "Score, 5 is best" });
  for (let value = 1; value <= 5; value++) {
    const button = element("button", { type: "button", "aria-pressed": "false", "data-score": value }, String(value));
    button.addEventListener("click", () => score(clip, place, value));
    group.append(button);
  }
  return group;
}

function item(clip, place) {
  const codec = clips[clip].systems[views[clip].order[place]];
  const name = blind ? `Sample ${String.fromCharCode(65 + place)}` : codec.label;
  const choose = element("button", { type: "button", "aria-pressed": "false" }, name);
  const audio = element("audio", { controls: "", preload: "metadata", src: codec.audio, "aria-label": name });
  choose.addEventListener("click", () => select(clip, place));
  audio.addEventListener("play", () => follow(clip, place));
  const picture = element("img", { class: "open-only", src: codec.picture, alt: `Spectrogram, ${codec.label}`, loading: "lazy" });
  const made = element("li", { class: "codec" }, choose, ...(blind ? [] : [picture]), audio, ...(blind ? [] : facts(codec)), scoreButtons(clip, place));
  if (!blind) made.dataset.system = codec.system;
  return { made, choose, audio };
}

function render() {
  const main = document.getElementById("clips");
  main.replaceChildren();
  document.body.classList.toggle("blind", blind);
  clips.forEach((clip, number) => {
    const view = views[number];
    view.items.forEach(({ audio }) => audio.pause());
    view.order = blind ? shuffled(clip.systems.length) : [...clip.systems.keys()];
    view.chosen = 0;
    view.items = view.order.map((_, place) => item(number, place));
    const list = element("ul", { class: "codecs" }, ...view.items.map(({ made }) => made));
    const title = blind ? `Clip ${number + 1}` : `${clip.id} (${clip.duration_s.toFixed(1)} s)`;
    const said = clip.text && !blind ? [element("p", { class: "said" }, clip.text.toLowerCase())] : [];
    const section = element("section", { class: "clip", "aria-label": title }, element("h2", {}, title), ...said, list);
    section.addEventListener("focusin", () => { if (current !== number) mark(number); });
    main.append(section);
  });
  mark(0);
}

function mark(clip) {
  current = clip;
  document.querySelectorAll(".clip").forEach((section, number) => section.classList.toggle("current", number === clip));
  views.forEach((view, number) => view.items.forEach((one, place) => {
    const chosen = number === clip && place === view.chosen;
    one.made.classList.toggle("chosen", chosen);
    one.choose.setAttribute("aria-pressed", String(chosen));
  }));
}

// A play that a pause overtakes is what the listener asked for, not an error.
function play(audio) {
  audio.play().catch((error) => { if (error.name !== "AbortError") throw error; });
}

// The chosen codec goes on where the one before was.
function select(clip, place) {
  const view = views[clip];
  const before = view.items[view.chosen].audio;
  const next = view.items[place].audio;
  if (before === next) return mark(clip);
  const playing = !before.paused;
  const position = before.currentTime;
  before.pause();
  view.chosen = place;
  next.currentTime = position;
  mark(clip);
  if (playing) play(next);
}

// Somebody used a player's own button: it becomes the chosen one, and everything else is silent.
function follow(clip, place) {
  views.forEach((view, number) => view.items.forEach((one, other) => {
    if (number !== clip || other !== place) one.audio.pause();
  }));
  views[clip].chosen = place;
  mark(clip);
}

function score(clip, place, value) {
  const system = clips[clip].systems[views[clip].order[place]].system;
  scores.set(`${clip} ${system}`, { clip: clips[clip].id, system, score: value });
  document.getElementById("count").textContent = String(scores.size);
  views[clip].items[place].made.querySelectorAll("[data-score]").forEach((button) =>
    button.setAttribute("aria-pressed", String(Number(button.dataset.score) === value)));
}

function save() {
  const text = JSON.stringify({ made: new Date().toISOString(), scale: "1 to 5, 5 is best", scores: [...scores.values()] }, null, 1);
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "siren-scores.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Above the clips, keys do what they always do: tick the box, scroll the table.
  if (event.target !== document.body && !event.target.closest("main")) return;
  const view = views[current];
  const count = view.items.length;
  const audio = view.items[view.chosen].audio;
  if (event.key === " ") audio.paused ? play(audio) : audio.pause();
  else if (event.key === "ArrowRight") select(current, (view.chosen + 1) % count);
  else if (event.key === "ArrowLeft") select(current, (view.chosen + count - 1) % count);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    audio.pause();
    mark((current + (event.key === "ArrowDown" ? 1 : clips.length - 1)) % clips.length);
    document.querySelectorAll(".clip")[current].scrollIntoView({ block: "nearest" });
  } else if (blind && event.key >= "1" && event.key <= "5") score(current, view.chosen, Number(event.key));
  else return;
  event.preventDefault();
  event.stopPropagation();
}

document.getElementById("blind").addEventListener("change", (event) => { blind = event.target.checked; scores.clear(); document.getElementById("count").textContent = "0"; render(); event.target.blur(); });
document.getElementById("export").addEventListener("click", save);
// In the capture phase: a player or a button with the focus would take the keys for itself.
document.addEventListener("keydown", onKey, true);
render();
