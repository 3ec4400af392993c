// Draws the merchant's page from /graphql and keeps it fresh; every text is set as text, never as markup.
import { drawPlays } from "./plays.js";

const PLAYS_EVERY = 60_000; // milliseconds: proofs are counted nightly, and after costs were stated
let playsAt = -PLAYS_EVERY;
const data = JSON.parse(document.body.dataset.rebloom);
const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();

async function token() {
  return window.shopify?.idToken ? window.shopify.idToken() : data.token;
}

async function ask(document) {
  const reply = await fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${await token()}` },
    body: JSON.stringify({ documentId: document }), // of graphql_schema/trusted/graphql
  });
  if (reply.status === 401) {
    window.location.replace(data.reopen); // the shop opens us again with a fresh token
    return null;
  }
  const body = await reply.json();
  if (!body.data) throw new Error(body.errors?.[0]?.message ?? `the server answered ${reply.status}`);
  return body.data;
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function drawSync(sync) {
  const done = Boolean(sync.finishedAt);
  byId("sync").hidden = false;
  byId("sync-bar").hidden = done;
  byId("sync-text").textContent = sync.error
    ?? (done ? `Fresh as of ${new Date(sync.freshAsOf ?? sync.finishedAt).toLocaleString()}` : `Copying: ${sync.phase.toLowerCase()} …`);
  byId("sync-counts").replaceChildren(...["customers", "orders", "products"].map((name) =>
    element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: number.format(sync[name]) }))));
  return done;
}

function drawStages(model) {
  const totals = new Map(model.stages.map((stage) => [stage.key, 0]));
  const rungs = new Map();
  for (const { stage, rung, count } of model.counts) {
    totals.set(stage.key, (totals.get(stage.key) ?? 0) + count);
    if (rung) rungs.set(stage.key, [...(rungs.get(stage.key) ?? []), `${rung}: ${number.format(count)}`]);
  }
  const all = [...totals.values()].reduce((sum, count) => sum + count, 0);
  byId("stages").hidden = all === 0;
  const rows = [...model.stages].sort((a, b) => a.position - b.position).map((stage) => {
    const count = totals.get(stage.key);
    const fill = element("div", { className: "fill" });
    fill.style.width = `${all ? (100 * count) / all : 0}%`;
    const row = element("div", { className: "stage", title: rungs.has(stage.key) ? `rungs ${rungs.get(stage.key).join(", ")}` : "" },
      element("span", { textContent: stage.name }),
      element("div", { className: "track" }, fill),
      element("span", { className: "count", textContent: `${number.format(count)} (${all ? ((100 * count) / all).toFixed(1) : 0} %)` }));
    row.setAttribute("role", "listitem");
    row.dataset.stage = stage.key;
    row.dataset.count = count;
    return row;
  });
  byId("stage-bars").replaceChildren(...rows);
}

function drawSegments(nodes) {
  byId("segments").hidden = nodes.length === 0;
  byId("segment-rows").replaceChildren(...nodes.map((segment) =>
    element("tr", {}, element("td", { textContent: segment.name }),
      element("td", {}, element("code", { textContent: segment.query })),
      element("td", { textContent: number.format(segment.count) }))));
}

function drawWebhooks(endpoints) {
  const troubled = endpoints.filter((each) => !each.enabled || each.failingSince);
  byId("webhooks").hidden = troubled.length === 0;
  byId("webhook-rows").replaceChildren(...troubled.map((each) => element("li", {
    textContent: each.enabled
      ? `${each.event}: nothing was taken since ${new Date(each.failingSince).toLocaleString()}; it is tried again.`
      : `${each.event}: switched off. ${each.disabledReason}`,
  })));
}

async function draw() {
  let pause = 5000;
  try {
    const answer = await ask(data.document);
    if (!answer) return;
    byId("notice").textContent = "";
    byId("shop").textContent = `${answer.shop.name} · ${answer.shop.domain}`;
    if (!drawSync(answer.shop.sync)) pause = 1000;
    drawStages(answer.shop.primaryModel);
    drawSegments(answer.segments.nodes);
    drawWebhooks(answer.webhookEndpoints);
    if (performance.now() - playsAt >= PLAYS_EVERY) {
      const { plays } = (await ask(data.plays)) ?? {};
      if (!plays) return;
      drawPlays(plays);
      playsAt = performance.now();
    }
  } catch (error) {
    byId("notice").textContent = `The page could not be refreshed: ${error.message}. Trying again.`;
  }
  setTimeout(draw, pause);
}

if (data.note) byId("notice").textContent = data.note;
else draw();
