import { Chart } from "/chart.js";
import { account, brief, clock, fill, make, moment, money, name, NOTHING, number, percent, places, price, say, table, times } from "/parts.js";

const byId = (id) => document.getElementById(id);
const MANY = 3000; // points of a line before it is thinned out again
const AGAIN = 2000; // milliseconds until a server that has gone away is tried again

const POLICIES = { index: "by index", "queue-bitmex": "queue (BitMEX)", "queue-binance": "queue (Binance)",
  "queue-hyperliquid": "queue (Hyperliquid)", "pro-rata": "pro rata", "capped-pro-rata": "capped pro rata",
  random: "random", socialise: "socialised" };
const OUTCOMES = {
  above: ["above the bankruptcy price", "margin was left: a penalty went to the fund"],
  at: ["at the bankruptcy price", "nothing left, nothing lost"],
  below: ["beyond the bankruptcy price", "a loss was left: the fund paid for it"],
};
const FLOWS = { initial: "first filled with", penalty: "liquidation penalty", fee: "trading fees", fund: "top-up", stake: "staked",
  cover: "loss covered", repay: "repaid", reward: "keeper\u2019s reward", unstake: "unstaked" };
const BLUE = "#1f5fae", ORANGE = "#c2631a", GREEN = "#2d7a4b", RED = "#b3372b";

let about, series, shown, market = 0, charts = [], stream = null;

// ---- server

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `status ${answer.status}`);
  return answer.json();
}

let lost = false;

function badge(text, kind) {
  say("badge", text);
  byId("badge").className = kind;
}

function trouble(text) {
  byId("trouble").hidden = !text;
  say("trouble", text);
}

/** The server does not answer: ask again until it does, then go on where it was. */
async function reconnect() {
  if (lost) return;
  stop();
  lost = true;
  trouble("The server does not answer; trying again. What is shown is the last that it said.");
  badge("disconnected", "bad");
  while (lost) {
    await new Promise((done) => setTimeout(done, AGAIN));
    try {
      await start(shown?.block);
    } catch {
      // still away
    }
  }
}

// ---- charts

function chart(title, lines, text, tick, zero) {
  charts.push(new Chart(byId("charts"), title, lines, text, tick, zero));
}

function drawCharts() {
  charts = [];
  byId("charts").replaceChildren();
  chart("Price", [{ name: "mark", key: "mark", colour: BLUE }, { name: "index", key: "index", colour: ORANGE, dash: "4 3" }], price, (value, step) => number(value, places(step)));
  chart("Insurance fund", [{ name: "balance", key: "fund", colour: BLUE }], money, brief, true);
  chart("Open interest", [{ name: "of one side", key: "open_interest", colour: BLUE }], (value) => number(value), brief, true);
  chart(about.live ? "Leverage of who holds positions" : "Leverage of leveraged traders", [{ name: "mean", key: "leverage", colour: BLUE }], times, (value, step) => `${number(value, places(step))}\u00d7`, true);
  chart("Depth of the book near the mid", [{ name: "bids", key: "bid_depth", colour: GREEN }, { name: "asks", key: "ask_depth", colour: RED }], money, brief, true);
  chart("Funding for eight hours", [{ name: "rate", key: "funding", colour: BLUE }], rate, (value, step) => percent(value, places(step * 100)));
  setCharts();
}

function setCharts() {
  const data = { ...series.markets[market], fund: series.fund };
  for (const one of charts) one.set(data, [about.start, about.end]);
}

// ---- what is shown of a block

const rate = (value) => percent(value, 3);
const symbol = (number) => about.markets[number] ?? "";

function tiles(frame, one) {
  const all = [
    ["Mark", price(one.mark), `index ${price(one.index)}`],
    ["Open interest", money(one.open_notional), `${number(one.open_interest)} ${one.symbol}`],
    ["Leverage", times(one.leverage), about.live ? "of who holds positions" : "of leveraged traders"],
    ["Funding, 8 hours", rate(one.funding), one.funding > 0 ? "longs pay shorts" : one.funding < 0 ? "shorts pay longs" : ""],
    ["Insurance fund", money(frame.fund.balance), frame.fund.initial ? `${percent(frame.fund.balance / frame.fund.initial, 1)} of the first filling` : ""],
    ["Liquidations", number(frame.liquidations.count), `${money(frame.liquidations.notional)} closed`],
    ["Under water now", number(frame.underwater), `of ${number(frame.accounts)} accounts`],
    ["Deleveragings", number(frame.adl.count), `${money(frame.adl.haircut)} given up`],
  ];
  fill("tiles", ...all.map(([name, value, more]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, more)))));
}

function book(one) {
  const spread = one.bids.length && one.asks.length ? one.asks[0][0] - one.bids[0][0] : null;
  say("book-note", one.frozen
    ? `Closed since ${clock(one.frozen.since)}: account ${one.frozen.account} is being deleveraged by a list.`
    : `Spread ${number(spread)}; within 2 % of the mid ${money(one.bid_depth)} of bids, ${money(one.ask_depth)} of asks.`);
  let most = 0;
  const summed = (levels) => {
    let sum = 0;
    const rows = levels.map(([at, size]) => ({ at, size, sum: (sum += size) }));
    most = Math.max(most, sum);
    return rows;
  };
  const bids = summed(one.bids), asks = summed(one.asks);
  const side = (name, rows) => {
    const found = table([["price", (row) => price(row.at), true], ["size", (row) => number(row.size), true],
      ["sum", (row) => number(row.sum), true]], rows, `No ${name}.`, () => name);
    found.querySelectorAll("tbody tr").forEach((line, i) => {
      const bar = make("i", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${rows[i].sum / most * 100}%`;
      line.cells[2].prepend(bar);
    });
    return make("div", {}, make("h3", {}, name), found);
  };
  fill("book", side("bids", bids), side("asks", asks));
}

function lamps(lit) {
  const all = [1, 2, 3, 4, 5].map((n) => make("i", { class: n <= lit ? "lamp on" : "lamp" }));
  return make("span", { class: "lamps", role: "img", "aria-label": `${lit} of 5 lights` }, ...all);
}

function queue(one) {
  const { policy, longs, shorts } = one.queue;
  const rule = POLICIES[policy] || policy;
  say("queue-note", policy === "index" ? "By index: every position of the side gives up the same share. There is no queue."
    : policy === "random" ? "Random: the order is drawn when it happens. There is no queue."
    : `Rule: ${rule}. If somebody on the other side went bankrupt now, these would be the first in line. Five lights: within the first fifth of the side by size; behind the lights, how many accounts have them.`);
  const side = (title, { counts, rows }) => make("div", {}, make("h3", {}, title),
    make("p", { class: "counts" }, ...counts.flatMap((count, i) => [lamps(5 - i), `${number(count)} `])), table([
    ["lights", (row) => lamps(row.lights)], ["account", (row) => account(row.account, row.role)],
    ["size", (row) => number(row.size), true], ["profit", (row) => money(row.profit), true],
    ["leverage", (row) => times(row.leverage), true]], rows, "Nobody."));
  if (policy === "index" || policy === "random") fill("queue");
  else fill("queue", side("longs", longs), side("shorts", shorts));
}

function outcomeOf(row) {
  return make("span", { class: `outcome ${row.outcome}` }, OUTCOMES[row.outcome]?.[0] || row.outcome);
}

function liquidations(all) {
  const total = all.count || 1;
  fill("outcomes", ...Object.entries(OUTCOMES).map(([key, [name, why]]) => make("div", { class: key },
    make("b", {}, number(all.outcomes[key])), make("span", {}, ` ${name}`),
    make("small", {}, `${percent(all.outcomes[key] / total, 1)}; ${why}`))));
  const several = about.markets.length > 1;
  fill("liquidations", table([
    ["time", (row) => moment(row.time)], ["block", (row) => number(row.block), true],
    ...(several ? [["market", (row) => symbol(row.market)]] : []),
    ["account", (row) => account(row.account, row.role)], ["notional", (row) => money(row.notional), true],
    ["outcome", outcomeOf], ["to the fund", (row) => (row.penalty ? money(row.penalty) : NOTHING), true],
    ["from the fund", (row) => (row.cover ? money(row.cover) : NOTHING), true],
    ["keeper", (row) => keeperName(row.keeper)], ["reward", (row) => money(row.reward), true],
  ], all.rows, "None so far."),
  make("p", { class: "note" }, all.count > all.rows.length ? `The last ${all.rows.length} of ${number(all.count)}. ` : "",
    all.vain ? `${number(all.vain)} calls more closed nothing.` : ""));
}

const keeperName = (number) => name(shown.keepers.find((keeper) => keeper.account === number)?.name || account(number));

function adl(all) {
  say("adl-note", all.count ? "Positions on the other side, closed by force at the bankruptcy price of an account that neither book nor fund could carry." : "");
  const several = about.markets.length > 1;
  fill("adl", table([
    ["time", (row) => moment(row.time)], ["block", (row) => number(row.block), true],
    ...(several ? [["market", (row) => symbol(row.market)]] : []),
    ["bankrupt", (row) => account(row.account), true], ["rule", (row) => POLICIES[row.policy] || row.policy],
    ["closed", (row) => number(row.quantity), true], ["at", (row) => price(row.bankruptcy_price), true],
    ["mark", (row) => price(row.mark), true], ["given up", (row) => money(row.haircut), true],
    ["accounts", (row) => (row.policy === "index" ? "all" : number(row.reached)), true],
  ], all.rows, "None so far."));
}

function fund(all) {
  fill("causes", make("p", {}, Object.entries(all.by_kind).filter(([, sum]) => sum)
    .map(([kind, sum]) => `${FLOWS[kind] || kind} ${money(sum)}`).join(" \u00b7 ")));
  fill("fund", table([
    ["time", (row) => moment(row.time)], ["cause", (row) => FLOWS[row.kind] || row.kind],
    ["account", (row) => account(row.account), true], ["change", (row) => money(row.amount), true],
    ["balance", (row) => number(row.balance, 2), true],
  ], all.rows, "Empty, and nothing has flowed."));
  for (const by of ["flow", "hour", "day"]) byId(`csv-${by}`).href = `/fund.csv?by=${by}&block=${shown.block}`;
}

function keepers(rows) {
  // The log of a node tells only of calls that were carried out.
  const all = rows.some((row) => row.lost !== null);
  const known = (...columns) => (all ? columns : []);
  fill("keepers", table([
    ["keeper", (row) => name(row.name)], ...known(["way", (row) => row.strategy || NOTHING]),
    ["won", (row) => number(row.won), true], ...known(["lost", (row) => number(row.lost), true]),
    ["in vain", (row) => number(row.vain), true], ...known(["reverted", (row) => number(row.reverted), true]),
    ["rewards", (row) => money(row.reward), true],
    ...known(["gas", (row) => money(row.cost), true], ["profit", (row) => money(row.profit), true]),
  ], rows, "Nobody has called yet."));
}

function list(id, rows, nothing) {
  fill(id, rows.length ? make("ul", { class: "states" }, ...rows.map(([good, state, text, more]) =>
    make("li", { class: good ? "good" : "bad" }, make("b", {}, state), make("span", {}, text, make("small", {}, more)))))
    : make("p", { class: "note" }, nothing));
}

function show(frame) {
  shown = frame;
  const one = frame.markets[market];
  say("block", about.live ? `block ${number(frame.block)}` : `block ${number(frame.block)} of ${number(about.last)}`);
  say("time", moment(frame.time, { year: "numeric" }));
  byId("time").dateTime = new Date(frame.time * 1000).toISOString();
  tiles(frame, one);
  book(one);
  queue(one);
  liquidations(frame.liquidations);
  adl(frame.adl);
  fund(frame.fund);
  keepers(frame.keepers);
  list("signs", frame.signs.map((sign) => [sign.since === null, sign.since === null ? "off" : "on", sign.text,
    sign.since === null ? "" : `since ${moment(sign.since)}`]), "Nothing was watched.");
  list("checks", frame.checks.map((check) => [check.holds, check.holds ? "holds" : "BROKEN", check.rule, check.found]), "");
  for (const chart of charts) chart.at(frame.time, { ...one, fund: frame.fund.balance });
  if (about.live) follow(frame);
  const slider = byId("slider");
  if (document.activeElement !== slider || stream) slider.value = frame.block;
  slider.setAttribute("aria-valuetext", `block ${frame.block}, ${moment(frame.time)}`);
  document.documentElement.dataset.block = frame.block;
}

// ---- live

let renewing = false;

/** The lines go on with each new block; they are fetched anew when blocks came together, when the chain has
 * gone back, or when they are long. */
function follow(frame) {
  trouble(frame.node.answers ? "" : `${frame.node.words}. Trying again; what is shown is the last that was seen.`);
  badge(frame.node.answers ? "live" : "node away", frame.node.answers ? "good" : "bad");
  const lines = [[series.fund, frame.fund.balance]];
  frame.markets.forEach((one, at) => {
    for (const [key, line] of Object.entries(series.markets[at])) lines.push([line, one[key] ?? null]);
  });
  const last = series.fund.t.at(-1), missed = frame.points > series.points + 1;
  if (missed || frame.time < last || series.fund.t.length > MANY) renew();
  else if (frame.time > last || last === undefined) {
    for (const [line, value] of lines) {
      line.t.push(frame.time);
      line.y.push(value);
    }
    if (last === undefined) about.start = frame.time;
    series.points = frame.points;
  }
  about.end = Math.max(frame.time, about.start + 60);
  setCharts();
}

async function renew() {
  if (renewing) return;
  renewing = true;
  try {
    [about, series] = await Promise.all([get("/api/about"), get("/api/series")]);
    setCharts();
  } catch {
    // the stream says it, too
  } finally {
    renewing = false;
  }
}

function listen() {
  stream = new EventSource("/api/live");
  stream.addEventListener("frame", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("error", () => reconnect());
}

// ---- replay

let asked = null, busy = false;

/** Show a block; of many that are asked for meanwhile only the last counts. */
async function seek(block) {
  asked = Math.min(Math.max(block, about.first), about.last);
  byId("slider").value = asked;
  if (busy) return;
  busy = true;
  try {
    while (asked !== null) {
      const next = asked;
      asked = null;
      show(await get(`/api/frame?block=${next}`));
    }
  } catch {
    asked = null;
    reconnect();
  } finally {
    busy = false;
  }
}

function stop() {
  stream?.close();
  stream = null;
  byId("play").textContent = "Play";
  if (about && !lost) badge(about.live ? "live" : "replay", "good");
}

function play() {
  if (stream) return stop();
  const from = shown.block >= about.last ? about.first : shown.block;
  stream = new EventSource(`/api/play?block=${from}&speed=${byId("speed").value}`);
  stream.addEventListener("frame", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("end", stop);
  stream.addEventListener("error", () => reconnect());
  byId("play").textContent = "Pause";
  badge("playing", "good");
}

function controls() {
  const slider = byId("slider"), speed = byId("speed");
  slider.min = about.first;
  slider.max = about.last;
  if (!speed.options.length) {
    for (const n of [5, 20, 60, 200, 600]) speed.append(make("option", { value: n, selected: n === 60 ? "" : undefined }, n));
    slider.addEventListener("input", () => { stop(); seek(Number(slider.value)); });
    byId("back").addEventListener("click", () => { stop(); seek(shown.block - 1); });
    byId("forth").addEventListener("click", () => { stop(); seek(shown.block + 1); });
    byId("play").addEventListener("click", play);
    speed.addEventListener("change", () => { if (stream) { stop(); play(); } });
  }
  byId("controls").hidden = about.live;
}

function choices() {
  const place = byId("markets");
  place.hidden = about.markets.length < 2;
  const buttons = about.markets.map((name, at) => {
    const button = make("button", { type: "button", "aria-pressed": String(at === market) }, name);
    button.addEventListener("click", () => {
      market = at;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      setCharts();
      show(shown);
    });
    return button;
  });
  place.replaceChildren(...buttons);
}

// ---- start

async function start(block) {
  [about, series] = await Promise.all([get("/api/about"), get("/api/series")]);
  if (market >= about.markets.length) market = 0;
  document.title = `${about.title} \u2013 perpsim`;
  say("title", about.title);
  say("subtitle", [`Scenario ${about.scenario}`, about.seed === null ? "" : `seed ${about.seed}`,
    about.complete ? "" : "not run to its end"].filter(Boolean).join(" \u00b7 "));
  say("unit", about.unit);
  drawCharts();
  choices();
  controls();
  const wanted = Math.min(Math.max(block ?? about.last, about.first), about.last);
  const first = await get(about.live ? "/api/frame" : `/api/frame?block=${wanted}`);
  lost = false;
  trouble("");
  stop();
  show(first);
  if (about.live) listen();
  document.documentElement.dataset.ready = "yes";
}

start().catch(() => reconnect());
