// Draws what the holdouts of plays show: uplifts with their intervals, as pictures and in words.
const SVG = "http://www.w3.org/2000/svg";
const [WIDE, HIGH, EDGE] = [120, 18, 4]; // pixels of a picture
const number = new Intl.NumberFormat();
const precise = new Intl.NumberFormat(undefined, { style: "percent", signDisplay: "exceptZero", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(undefined, { style: "percent", signDisplay: "exceptZero", maximumFractionDigits: 0 });
const percent = { format: (each) => (Math.abs(each) < 0.1 ? precise : whole).format(each) };
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const COLUMNS = [["orders", "orders"], ["netRevenue", "net revenue"], ["margin", "margin"]];

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

// An uplift as shares of what the holdout did; in money where a side has nothing, or lost, so that there is no ratio.
function shown(uplift) {
  const { ratio, difference } = uplift;
  if (ratio) {
    const [value, low, high] = [ratio.value, ratio.low, ratio.high].map((each) => (each === null ? null : each - 1));
    return { value, low, high, write: (each) => percent.format(each), relative: true };
  }
  if (!difference) return null;
  const plain = (each) => (each === null ? null : Number(each.amount ?? each));
  const currency = difference.value.currencyCode;
  const write = new Intl.NumberFormat(undefined, currency
    ? { style: "currency", currency, signDisplay: "exceptZero" } : { signDisplay: "exceptZero", maximumFractionDigits: 3 });
  return { value: plain(difference.value), low: plain(difference.low), high: plain(difference.high),
    write: (each) => write.format(each), relative: false };
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// The end of an interval: a stroke, or an arrow where it lies beyond the scale.
function mark(x, of) {
  if (Math.abs(of) <= 1) return `M${x} 4V${HIGH - 4}`;
  const back = x - 4 * Math.sign(of);
  return `M${back} 5L${x} ${HIGH / 2}L${back} ${HIGH - 5}`;
}

// The interval as a bar about its value, beside the line of nothing.
function picture(found, verdict, scale, words) {
  const middle = WIDE / 2;
  const at = (value) => middle + (middle - EDGE) * Math.max(-1, Math.min(1, value / scale));
  const svg = drawn("svg", { width: WIDE, height: HIGH, viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", class: verdict });
  svg.setAttribute("aria-label", words);
  svg.append(
    drawn("line", { class: "nothing", x1: middle, x2: middle, y1: 0, y2: HIGH }),
    drawn("line", { class: "interval", x1: at(found.low), x2: at(found.high), y1: HIGH / 2, y2: HIGH / 2 }),
    ...[found.low, found.high].map((end) => drawn("path", { class: "interval", d: mark(at(end), end / scale) })),
    drawn("circle", { cx: at(found.value), cy: HIGH / 2, r: 4 }),
  );
  return svg;
}

function cell(proof, name, label, scale) {
  const made = element("td", {});
  made.dataset.figure = name;
  const uplift = proof[name];
  if (!uplift) {
    made.append(element("details", {}, element("summary", { textContent: "not known" }),
      element("small", { textContent: proof.marginUnknown ?? "" })));
    return made;
  }
  const found = shown(uplift);
  if (!found) return element("td", { textContent: "—" });
  made.dataset.verdict = uplift.verdict;
  if (found.low === null || found.high === null) {
    made.append(element("small", { textContent: `${found.write(found.value)}, too few for an interval`, title: proof.tooFew ?? "" }));
    return made;
  }
  const [value, range] = [found.write(found.value), `(${found.write(found.low)} … ${found.write(found.high)})`];
  const own = Math.max(Math.abs(found.low), Math.abs(found.high)) || 1;
  made.append(picture(found, uplift.verdict, found.relative ? scale : own, `${label}: ${value} ${range}`),
    element("small", {}, `${value} `, element("span", { textContent: range })));
  return made;
}

function howLong({ needed, orders }) {
  if (orders.verdict !== "CANNOT_TELL_YET") return "told already";
  if (needed.weeks === 0) return "there are enough for a fifth more";
  if (needed.weeks !== null) return `some ${number.format(needed.weeks)} weeks`;
  return needed.never ? "not within three years" : "not known yet";
}

function row(play, scale) {
  const { proof } = play;
  const name = element("td", {}, element("span", { textContent: play.name }), element("span", { className: play.enabled ? "state" : "state off", textContent: play.enabled ? "on" : "off" }),
    element("br", {}), element("code", { textContent: play.key }), element("small", { textContent: ` · ${play.stage ?? "any stage"}` }));
  const held = element("td", { title: "The share held out now; customers held out and offered it whose days are over." },
    element("span", { textContent: share.format(play.holdoutShare) }), element("br", {}),
    element("small", { textContent: `${number.format(proof.heldOut)} / ${number.format(proof.offered)}` }));
  const made = element("tr", {}, name, held,
    ...COLUMNS.map(([figure, label]) => cell(proof, figure, label, scale)),
    element("td", {}, element("small", { textContent: howLong(proof), title: proof.needed.why ?? "" })));
  made.dataset.play = play.key;
  return made;
}

// Relative uplifts share one scale, so that rows can be compared. Every value is on it, and most bounds.
function scaleOf(plays) {
  const found = plays.flatMap(({ proof }) => COLUMNS.map(([figure]) => proof[figure] && shown(proof[figure])))
    .filter((each) => each?.relative && each.low !== null);
  const widest = (of) => Math.max(0.05, ...found.flatMap(of).map(Math.abs));
  const wide = Math.min(widest((each) => [each.low, each.high]), Math.max(0.5, 1.2 * widest((each) => [each.value])));
  return Math.ceil(wide * 20) / 20;
}

export function drawPlays(plays) {
  const counted = plays.filter(({ proof }) => proof && proof.offered + proof.heldOut > 0);
  const rest = plays.filter((play) => !counted.includes(play));
  const scale = scaleOf(counted);
  document.getElementById("plays").hidden = plays.length === 0;
  document.getElementById("play-table").hidden = counted.length === 0;
  document.getElementById("play-rows").replaceChildren(...counted.map((play) => row(play, scale)));
  document.getElementById("play-scale").textContent = counted.length
    ? `Of those offered a play beside those held out, in the 30 days after. A picture reaches from ${percent.format(-scale)} to ${percent.format(scale)}; a bar that does not touch the line in its middle tells an effect, however often you look.` : "";
  document.getElementById("play-rest").hidden = rest.length === 0;
  document.getElementById("play-rest-title").textContent = `${number.format(rest.length)} plays of which nobody's days are over yet`;
  document.getElementById("play-rest-rows").replaceChildren(...rest.map((play) => element("li", {
    textContent: `${play.name} · ${play.stage ?? "any stage"}${play.proof ? ` · ${number.format(play.proof.waiting)} customers so far` : ""}${play.enabled ? "" : " · off"}` })));
}
