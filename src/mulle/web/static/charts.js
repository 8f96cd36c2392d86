// Time series by uPlot, the rest by ECharts. A figure carries its data in a JSON script element; nothing else is fetched.
"use strict";

const drawn = new Map();

function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
const series = (index) => colour(`--series-${(index % 8) + 1}`);
const tagged = { ok: "--ok", warn: "--warn", bad: "--bad", live: "--accent", muted: "--muted" };

function number(value) {
  if (value == null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6 || (size && size < 1e-3)) return value.toExponential(2);
  return size >= 100 ? value.toFixed(0) : value.toFixed(size >= 10 ? 1 : 4).replace(/\.?0+$/, "");
}
function day(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ").replace(" 00:00", "");
}

// Vertical marks (promotions, alerts, …) across the plot: [{x, label, kind}], in the colour of their kind.
function marks(list) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    for (const mark of list) {
      const x = Math.round(plot.valToPos(mark.x, "x", true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(tagged[mark.kind] || "--muted");
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.restore();
  };
}

function tip(time, list) {
  let box;
  return {
    hooks: {
      init: (plot) => { box = document.createElement("div"); box.className = "u-tip"; box.hidden = true; plot.over.append(box); },
      setCursor: (plot) => {
        const { idx, left, top } = plot.cursor;
        box.hidden = idx == null || left < 0;
        if (box.hidden) return;
        const at = plot.data[0][idx];
        const near = list.filter((mark) => Math.abs(plot.valToPos(mark.x, "x") - left) < 5).map((mark) => mark.label);
        const rows = plot.series.slice(1).map((one, index) => `${one.label}  ${number(plot.data[index + 1][idx])}`);
        box.textContent = [time ? day(at) : number(at), ...rows, ...near].join("\n");
        const flip = left > plot.over.clientWidth - box.offsetWidth - 20;
        box.style.left = `${flip ? left - box.offsetWidth - 12 : left + 12}px`;
        box.style.top = `${Math.max(0, Math.min(top, plot.over.clientHeight - box.offsetHeight))}px`;
      },
    },
  };
}

// The common range of synced charts, until somebody zooms in; a double click goes back to it.
function zoomable(range) {
  return (plot, low, high) => {
    const first = plot.data[0][0];
    const last = plot.data[0][plot.data[0].length - 1];
    return low === first && high === last ? range : [low, high];
  };
}

function line(figure, spec) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 34 };
  const list = spec.marks || [];
  const single = spec.x.length === 1; // one point has no line: show the point itself
  const options = {
    width: figure.clientWidth, height: figure.clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: Boolean(spec.time), range: spec.range ? zoomable(spec.range) : single ? () => [spec.x[0] - 3600, spec.x[0] + 3600] : undefined } },
    cursor: { sync: spec.sync ? { key: spec.sync } : undefined, drag: { x: true, y: false }, points: { size: 6 } },
    legend: { show: false },
    axes: [axis, { ...axis, size: spec.sync === "timeline" ? 76 : 52, values: (_, values) => values.map(number) }],
    series: [{}, ...spec.series.map((one, index) => ({
      label: one.label, stroke: series(one.colour ?? index), width: 1.6, spanGaps: true,
      dash: one.dash ? [5, 4] : undefined, points: { show: single || Boolean(one.points), size: 4 },
      paths: one.line === false ? () => null : undefined,
    }))],
    plugins: [tip(spec.time, list)],
    hooks: { draw: [marks(list)] },
  };
  return new uPlot(options, [spec.x, ...spec.series.map((one) => one.values)], figure);
}

function lanes(figure, spec) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const events = [...spec.events].sort((a, b) => a.x - b.x);
  const xs = events.map((one) => one.x);
  const place = (lane) => spec.names.length - 1 - lane;
  const dots = (plot) => {
    const { ctx } = plot;
    for (const one of events) {
      const x = plot.valToPos(one.x, "x", true);
      const y = plot.valToPos(place(one.lane), "y", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      ctx.fillStyle = colour(tagged[one.kind] || "--series-8");
      ctx.beginPath(); ctx.arc(x, y, 4 * devicePixelRatio, 0, 7); ctx.fill();
    }
  };
  const near = {
    hooks: {
      init: (plot) => { plot.tipBox = document.createElement("div"); plot.tipBox.className = "u-tip wrap"; plot.tipBox.hidden = true; plot.over.append(plot.tipBox); },
      setCursor: (plot) => {
        const { left, top } = plot.cursor;
        const inside = left >= 0 && top >= 0;
        const close = inside ? events.filter((one) => Math.abs(plot.valToPos(one.x, "x") - left) < 7 && Math.abs(plot.valToPos(place(one.lane), "y") - top) < 14) : [];
        plot.tipBox.hidden = !close.length;
        if (!close.length) return;
        plot.tipBox.textContent = close.slice(0, 8).map((one) => `${day(one.x)}  ${one.label}`).join("\n");
        const flip = left > plot.over.clientWidth / 2;
        plot.tipBox.style.left = `${flip ? Math.max(0, left - plot.tipBox.offsetWidth - 12) : left + 12}px`;
        plot.tipBox.style.top = `${Math.max(0, Math.min(top, plot.over.clientHeight - plot.tipBox.offsetHeight))}px`;
      },
    },
  };
  return new uPlot({
    width: figure.clientWidth, height: figure.clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: true, range: spec.range ? zoomable(spec.range) : undefined }, y: { range: () => [-0.6, spec.names.length - 0.4] } },
    cursor: { sync: spec.sync ? { key: spec.sync, setSeries: false } : undefined, drag: { x: true, y: false }, points: { show: false }, y: false },
    legend: { show: false },
    axes: [{ ...axis, size: 34 }, { ...axis, size: 76, splits: () => spec.names.map((_, lane) => place(lane)), values: () => spec.names }],
    series: [{}, { stroke: "transparent", points: { show: false } }],
    plugins: [near],
    hooks: { draw: [dots] },
  }, [xs, xs.map(() => 0)], figure);
}

function scatter(figure, spec) {
  const chart = echarts.init(figure, null, { renderer: "svg" });
  const text = { color: colour("--muted"), fontSize: 11 };
  const axis = (name) => ({
    name, type: "value", scale: true, nameLocation: "middle", nameGap: 30, nameTextStyle: text, axisLabel: text,
    axisLine: { lineStyle: { color: colour("--line") } }, splitLine: { lineStyle: { color: colour("--line") } },
  });
  chart.setOption({
    animation: false, grid: { left: 62, right: 70, top: 16, bottom: 46 }, xAxis: axis(spec.xName), yAxis: axis(spec.yName),
    tooltip: { renderMode: "richText", formatter: (point) => `${point.data.name}\n${number(point.data.value[0])}, ${number(point.data.value[1])}` },
    series: [{
      type: "scatter", symbolSize: 11,
      data: spec.points.map((point, index) => ({ ...point, itemStyle: { color: series(point.colour ?? index) } })),
      label: { show: true, position: "right", formatter: "{b}", color: colour("--ink"), fontSize: 12 },
      labelLayout: { moveOverlap: "shiftY" },
    }],
  });
  return { destroy: () => chart.dispose(), setSize: () => chart.resize() };
}

function bars(figure, spec) {
  const chart = echarts.init(figure, null, { renderer: "svg" });
  const text = { color: colour("--muted"), fontSize: 11 };
  chart.setOption({
    animation: false, grid: { left: 48, right: 16, top: 12, bottom: 28 },
    xAxis: { type: "category", data: spec.names, axisLabel: text, axisTick: { show: false }, axisLine: { lineStyle: { color: colour("--line") } } },
    yAxis: { type: "value", axisLabel: { ...text, formatter: number }, splitLine: { lineStyle: { color: colour("--line") } } },
    tooltip: { renderMode: "richText" },
    series: [{ type: "bar", data: spec.values, barMaxWidth: 26, itemStyle: { color: series(spec.colour || 0), borderRadius: [2, 2, 0, 0] } }],
  });
  return { destroy: () => chart.dispose(), setSize: () => chart.resize() };
}

// Parallel coordinates: a strand a trial, the better the stronger; a strand under the mouse says what it is.
function parallel(figure, spec) {
  const svg = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text != null) node.textContent = text;
    return node;
  };
  const build = () => {
    const width = figure.clientWidth, height = figure.clientHeight, top = 30, bottom = height - 14, side = 46;
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    const x = (place) => side + (place * (width - 2 * side)) / Math.max(1, spec.axes.length - 1);
    const y = (place) => bottom - place * (bottom - top);
    const strands = [...spec.strands].sort((a, b) => a.good - b.good);
    for (const strand of strands) {
      const points = strand.places.map((place, axis) => (place == null ? null : `${x(axis).toFixed(1)} ${y(place).toFixed(1)}`));
      const path = svg("path", {
        d: points.filter(Boolean).map((point, index) => (index ? "L" : "M") + point).join(""), fill: "none", "stroke-width": 1.4,
        stroke: colour(strand.status === "complete" ? "--series-1" : "--muted"), "stroke-opacity": (0.12 + 0.78 * strand.good ** 2).toFixed(2), class: "strand",
      });
      path.append(svg("title", {}, strand.label));
      if (strand.url) path.addEventListener("click", () => { location.href = strand.url; });
      root.append(path);
    }
    spec.axes.forEach((axis, index) => {
      root.append(svg("line", { x1: x(index), x2: x(index), y1: top, y2: bottom, stroke: colour("--line"), "stroke-width": 1 }));
      const anchor = index === 0 ? "start" : index === spec.axes.length - 1 ? "end" : "middle";
      root.append(svg("text", { x: index === 0 ? 4 : index === spec.axes.length - 1 ? width - 4 : x(index), y: 14, "text-anchor": anchor, fill: colour("--ink"), "font-size": 12 }, axis.name));
      const last = index === spec.axes.length - 1;
      for (const [place, label] of axis.ticks) {
        root.append(svg("text", { x: x(index) + (last ? 6 : -6), y: y(place) + 3, "text-anchor": last ? "start" : "end", fill: colour("--muted"), "font-size": 10 }, label));
      }
    });
    figure.append(root);
    return root;
  };
  let root = build();
  return { destroy: () => root.remove(), setSize: () => { root.remove(); root = build(); } };
}

const kinds = { line, lanes, scatter, bars, parallel };

function draw(figure) {
  drawn.get(figure)?.destroy();
  const spec = JSON.parse(figure.querySelector("script").textContent);
  drawn.set(figure, kinds[spec.kind](figure, spec));
}
function drawAll() {
  for (const [figure, plot] of drawn) if (!figure.isConnected) { plot.destroy(); drawn.delete(figure); }
  document.querySelectorAll("figure.chart[data-chart]").forEach((figure) => { if (!drawn.has(figure)) draw(figure); });
}

// Live curves: the server sends {series: {key: {x, values}}, status}; each figure knows its key.
function follow() {
  const root = document.querySelector("[data-live]");
  if (!root) return;
  const source = new EventSource(root.dataset.live);
  source.addEventListener("points", (event) => {
    for (const [key, points] of Object.entries(JSON.parse(event.data))) {
      const figure = document.querySelector(`figure[data-key="${CSS.escape(key)}"]`);
      if (figure) drawn.get(figure)?.setData([points.x, points.values]);
    }
  });
  source.addEventListener("changed", () => document.dispatchEvent(new CustomEvent("mulle:changed")));
  source.addEventListener("end", () => { source.close(); setTimeout(() => location.reload(), 300); });
  addEventListener("pagehide", () => source.close());
}

document.addEventListener("mulle:theme", () => { const old = [...drawn.keys()]; old.forEach(draw); });
document.addEventListener("mulle:content", drawAll);
let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => drawn.forEach((plot, figure) => plot.setSize({ width: figure.clientWidth, height: figure.clientHeight })), 80);
});
drawAll();
follow();
