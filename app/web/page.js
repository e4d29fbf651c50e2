// One project, live: links in, their states from the event stream, and what was stored, playable.

const API = "/api/v1";
const byId = (id) => document.getElementById(id);
const cards = new Map();
const scenes = new Map();

async function call(method, path, body) {
  const answer = await fetch(API + path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) throw new Error(`${result.detail} ${result.hint}`);
  return result;
}

async function openProject() {
  const named = location.hash.slice(1);
  if (named) return named;
  const { items } = await call("GET", "/projects?limit=1");
  const project = items[0] ?? (await call("POST", "/projects", { title: "My first project" }));
  history.replaceState(null, "", `#${project.id}`);
  return project.id;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(3, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
}

function inWords(media) {
  const p = media.progress;
  switch (media.status) {
    case "pending": return "Waiting to be stored";
    case "queued": return "Waiting for a worker";
    case "ready": return `Stored, ${size(media.original.bytes)}`;
    case "failed": return media.error.message;
    case "canceled": return "Canceled";
    case "retrying": return `${media.error.message} Next try at ${new Date(media.next_attempt_at).toLocaleTimeString()}.`;
    case "processing": return "Looking at what was stored";
  }
  if (!p?.bytes_done) return "Finding the media";
  const speed = p.stalled ? "stalled" : `${size(p.speed_bps)}/s`;
  const left = p.eta_s ? `, ${Math.ceil(p.eta_s)} s left` : "";
  return `${size(p.bytes_done)} of ${p.bytes_total ? size(p.bytes_total) : "unknown"}, ${speed}${left}`;
}

function makeCard(id) {
  const card = byId("scene").content.firstElementChild.cloneNode(true);
  card.addEventListener("click", (event) => {
    const action = event.target.dataset?.do;
    if (action === "play") play(card, scenes.get(id));
    if (action === "remove") act(() => call("DELETE", `/scenes/${id}`));
    if (action === "cancel" || action === "retry") act(() => call("POST", `/media/${id}/${action}`));
  });
  cards.set(id, card);
  return card;
}

function play(card, scene) {
  const kind = { video: "video", audio: "audio", image: "img" }[scene.media.probe.kind];
  const player = document.createElement(kind);
  player.src = `${API}/media/${scene.id}/content`;
  if (kind === "img") player.alt = scene.media.original.filename;
  else Object.assign(player, { controls: true, autoplay: true });
  card.querySelector(".player").replaceChildren(player);
}

function show(scene) {
  scenes.set(scene.id, scene);
  const card = cards.get(scene.id) ?? makeCard(scene.id);
  const media = scene.media;
  const status = media?.status ?? "none";
  const find = (selector) => card.querySelector(selector);
  find(".link").textContent = media?.original?.filename ?? media?.source_url ?? (scene.text || "No link");
  if (media) find(".link").href = media.source_url;
  find(".state").textContent = media ? inWords(media) : "No media";
  find(".state").className = `state ${status}`;
  find(".hint").textContent = media?.error?.hint ?? "";
  find(".hint").hidden = !media?.error;
  const busy = ["queued", "resolving", "downloading", "uploading", "processing"].includes(status);
  const bar = find("progress");
  bar.hidden = !busy;
  if (media?.progress?.percent != null) bar.value = media.progress.percent;
  else bar.removeAttribute("value");
  find(".kind").textContent = media?.poster ? "" : (media?.probe?.kind ?? "");
  const picture = find("img");
  picture.hidden = !media?.poster;
  const poster = `${API}/media/${scene.id}/content?variant=poster&generation=${media?.generation}`;
  if (media?.poster && picture.getAttribute("src") !== poster) picture.src = poster;
  find("[data-do=play]").hidden = status !== "ready";
  find("[data-do=download]").hidden = status !== "ready";
  find("[data-do=download]").href = `${API}/media/${scene.id}/content?download=true`;
  find("[data-do=cancel]").hidden = !busy && status !== "retrying";
  find("[data-do=retry]").hidden = !["failed", "canceled", "retrying"].includes(status);
  if (status !== "ready") find(".player").replaceChildren();
}

function arrange() {
  const order = [...scenes.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
  order.forEach((scene, index) => {
    const card = cards.get(scene.id);
    if (byId("scenes").children[index] !== card) byId("scenes").insertBefore(card, byId("scenes").children[index] ?? null);
  });
  const stored = order.filter((scene) => scene.media?.status === "ready").length;
  byId("summary").textContent = order.length ? `${stored} of ${order.length} stored` : "";
  byId("empty").hidden = order.length > 0;
}

function forget(id) {
  cards.get(id)?.remove();
  cards.delete(id);
  scenes.delete(id);
}

function listen(project) {
  const events = new EventSource(`${API}/projects/${project}/events`);
  events.addEventListener("snapshot", (event) => {
    const current = JSON.parse(event.data).scenes;
    const ids = new Set(current.map((scene) => scene.id));
    [...scenes.keys()].filter((id) => !ids.has(id)).forEach(forget);
    current.forEach(show);
    arrange();
  });
  events.addEventListener("scene", (event) => { show(JSON.parse(event.data)); arrange(); });
  events.addEventListener("scene_deleted", (event) => { forget(JSON.parse(event.data).id); arrange(); });
  events.onerror = () => {
    byId("summary").textContent = "The connection is lost; trying again …";
    // A browser does not come back by itself after an answer that was an error.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(project), 1000);
  };
}

async function act(work) {
  byId("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
  }
}

async function add(project) {
  const urls = byId("links").value.split(/\s+/).filter(Boolean);
  const { items } = await call("POST", `/projects/${project}/scenes/batch`, { urls });
  byId("links").value = "";
  for (const scene of items) {
    show(scene);
    arrange();
    await call("POST", "/media/store", { project_id: project, scene_id: scene.id });
  }
}

await act(async () => {
  const project = await openProject();
  listen(project);
  byId("add").addEventListener("submit", (event) => { event.preventDefault(); act(() => add(project)); });
});
