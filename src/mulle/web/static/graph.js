// A directed graph, laid out by dagre, drawn as SVG with real links: the keyboard reaches every node.
"use strict";

(() => {
  const NS = "http://www.w3.org/2000/svg";
  const HEIGHT = 38;

  function element(name, attributes, ...children) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function width(node) {
    const wide = (text) => [...text].reduce((sum, letter) => sum + (letter.charCodeAt(0) > 0x2e80 ? 12 : 6.8), 0);
    return Math.max(90, Math.max(wide(node.label), wide(node.note || "")) + 28);
  }

  function layout(spec) {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir: spec.direction || "LR", nodesep: 14, ranksep: spec.roles ? 66 : 44, marginx: 16, marginy: 16 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const node of spec.nodes) graph.setNode(node.id, { ...node, width: width(node), height: HEIGHT });
    spec.edges.forEach((edge, index) => graph.setEdge(edge.from, edge.to, { role: edge.role }, String(index)));
    dagre.layout(graph);
    return graph;
  }

  function path(points) {
    const [first, ...rest] = points;
    let d = `M${first.x},${first.y}`;
    for (let index = 0; index < rest.length - 1; index += 1) {
      const point = rest[index];
      const next = index === rest.length - 2 ? rest[index + 1] : { x: (point.x + rest[index + 1].x) / 2, y: (point.y + rest[index + 1].y) / 2 };
      d += `Q${point.x},${point.y} ${next.x},${next.y}`;
    }
    return rest.length === 1 ? `${d}L${rest[0].x},${rest[0].y}` : d;
  }

  function box(node) {
    const left = node.x - node.width / 2;
    const top = node.y - HEIGHT / 2;
    const clip = (text) => (text.length > 44 ? `${text.slice(0, 43)}…` : text);
    const group = element("g", { class: `node k-${node.kind}${node.subject ? " subject" : ""}${node.state ? ` st-${node.state}` : ""}` },
      element("title", {}, node.title || node.label),
      element("rect", { class: "box", x: left, y: top, width: node.width, height: HEIGHT, rx: 5 }),
      element("rect", { class: "stripe", x: left, y: top + 6, width: 3, height: HEIGHT - 12, rx: 1.5 }),
      element("text", { class: "kind", x: left + 12, y: top + 14 }, node.note || node.kind),
      element("text", { x: left + 12, y: top + 29 }, clip(node.label)));
    return node.href ? element("a", { href: node.href }, group) : group;
  }

  function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const graph = layout(spec);
    const size = graph.graph();
    const arrow = `arrow-${figure.id || "g"}`;
    const scale = Math.max(0.62, Math.min(1, figure.clientWidth / size.width)); // smaller than that nobody reads
    const svg = element("svg", { width: size.width * scale, height: size.height * scale, viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": figure.dataset.label || "" },
      element("defs", {}, element("marker", { id: arrow, viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
        element("path", { d: "M0,1L7,4L0,7", fill: "none", stroke: "currentColor", opacity: 0.6 }))));
    const over = [];
    for (const name of graph.edges()) {
      const edge = graph.edge(name);
      svg.append(element("path", { class: "edge", d: path(edge.points), "marker-end": `url(#${arrow})` }));
      const middle = edge.points[Math.floor(edge.points.length / 2)];
      if (edge.role && spec.roles) over.push(element("text", { class: "role", x: middle.x, y: middle.y - 3, "text-anchor": "middle" }, edge.role));
    }
    svg.append(...over, ...graph.nodes().map((id) => box(graph.node(id))));
    figure.querySelector("svg")?.remove();
    figure.append(svg);
    const subject = svg.querySelector(".subject");
    if (subject) {
      const at = subject.getBBox();
      figure.scrollLeft = scale * (at.x + at.width / 2) - figure.clientWidth / 2;
      figure.scrollTop = scale * (at.y + at.height / 2) - figure.clientHeight / 2;
    }
  }

  const drawAll = () => document.querySelectorAll("figure.graph").forEach(draw);
  document.addEventListener("mulle:content", drawAll);
  drawAll();
})();
