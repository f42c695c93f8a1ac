"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const theme = byId("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (!document.documentElement.style.colorScheme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.style.colorScheme = dark ? "light" : "dark";
  });

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // Fill a select with values, keeping the chosen one if it is still there.
  const fill = (select, values, names = values) => {
    const before = select.value;
    select.replaceChildren(...values.map((value, i) => element("option", {value}, String(names[i]))));
    if (values.map(String).includes(before)) select.value = before;
  };
  const distinct = (values) => [...new Set(values)];

  const images = new Map();
  const loaded = (address) => {
    if (!images.has(address)) {
      const image = new Image();
      images.set(address, new Promise((done) => { image.onload = () => done(image); image.src = address; }));
    }
    return images.get(address);
  };

  // Gray values of a strip: frames of width x height, one after the other.
  const values = async (address, clip) => {
    const image = await loaded(address);
    const canvas = element("canvas", {width: image.width, height: image.height});
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const data = context.getImageData(0, 0, image.width, image.height).data;
    return Array.from({length: clip.frames}, (_, t) => {
      const frame = new Uint8Array(clip.width * clip.height);
      for (let y = 0; y < clip.height; y++)
        for (let x = 0; x < clip.width; x++)
          frame[y * clip.width + x] = data[4 * (y * image.width + t * clip.width + x)];
      return frame;
    });
  };

  // The edge of a mask, and what lies outside it, as paths in pixels of the clip.
  const outlines = (frame, width, height) => {
    const edge = new Path2D(), outside = new Path2D();
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && frame[y * width + x] > 0;
    for (let y = 0; y < height; y++) {
      let start = -1;
      for (let x = 0; x <= width; x++) {
        const out = x < width && !inside(x, y);
        if (out && start < 0) start = x;
        if (!out && start >= 0) { outside.rect(start, y, x - start, 1); start = -1; }
        if (x === width) break;
        if (!inside(x, y)) continue;
        if (!inside(x - 1, y)) { edge.moveTo(x, y); edge.lineTo(x, y + 1); }
        if (!inside(x + 1, y)) { edge.moveTo(x + 1, y); edge.lineTo(x + 1, y + 1); }
        if (!inside(x, y - 1)) { edge.moveTo(x, y); edge.lineTo(x + 1, y); }
        if (!inside(x, y + 1)) { edge.moveTo(x, y + 1); edge.lineTo(x + 1, y + 1); }
      }
    }
    return {edge, outside};
  };

  // Frames in a loop, eight a second; the buttons work with the keyboard as they are.
  const player = (id, length, draw) => {
    const button = byId(`${id}-play`), said = byId(`${id}-frame`);
    let frame = 0, playing = !calm.matches, last = 0;
    const show = () => { said.textContent = `frame ${frame % length() + 1} of ${length()}`; draw(frame % length()); };
    const update = () => {
      button.textContent = playing ? "Pause" : "Play";
      button.setAttribute("aria-pressed", String(playing));
    };
    const step = (by) => { playing = false; update(); frame = (frame + by + length()) % length(); show(); };
    button.addEventListener("click", () => { playing = !playing; update(); });
    byId(`${id}-back`).addEventListener("click", () => step(-1));
    byId(`${id}-on`).addEventListener("click", () => step(1));
    const tick = (now) => {
      if (playing && now - last > 125) { last = now; frame = (frame + 1) % length(); show(); }
      requestAnimationFrame(tick);
    };
    update();
    requestAnimationFrame(tick);
    return show;
  };

  const size = (canvas, clip) => {
    const scale = Math.max(1, Math.round(320 / clip.width));
    canvas.width = clip.width * scale;
    canvas.height = clip.height * scale;
    return scale;
  };
  const drawFrame = (context, image, clip, t) => {
    context.imageSmoothingEnabled = true;
    context.drawImage(image, t * clip.width, 0, clip.width, clip.height, 0, 0, clip.width, clip.height);
  };

  const conceptBrowser = (data) => {
    const select = Object.fromEntries(
      ["network", "layer", "seed", "class", "concept", "sort"].map((name) => [name, byId(`concepts-${name}`)]));
    const list = byId("concepts-list"), dim = byId("concepts-dim");
    const at = () => data.concepts.filter((c) => c.model === select.network.value && c.layer === select.layer.value &&
      String(c.seed) === select.seed.value && c.class === select.class.value);
    let shown = [];

    const spread = (concept) => {
      const low = Math.max(0, concept.score - (concept.spread ?? 0)), high = Math.min(1, concept.score + (concept.spread ?? 0));
      const picture = element("span");
      picture.innerHTML = `<svg class="spread" viewBox="-4 0 208 14" preserveAspectRatio="none" aria-hidden="true">` +
        `<path d="M0 7H200M0 3V11M100 4V10M200 3V11" stroke="currentColor" opacity="0.4" fill="none"/>` +
        `<path d="M${200 * low} 7H${200 * high}" stroke="#0072B2" stroke-width="5"/>` +
        `<circle cx="${200 * concept.score}" cy="7" r="4.5" fill="#D55E00"/></svg>`;
      return picture;
    };
    const card = (concept) => {
      const facts = element("dl");
      const add = (name, value) => facts.append(element("dt", {}, name), element("dd", {}, value));
      add("effect", `${concept.text.effect} logits`);
      add("score ± sd", concept.text.score);
      add("p, corrected", concept.text.p);
      add("significant", concept.significant ? "yes" : "no");
      add("members", `${concept.text.supervoxels} supervoxels`);
      add("", `of ${concept.text.videos} videos`);
      add("CAV accuracy", `${concept.text.accuracy} %`);
      if (concept.motion !== null) add("moves", `${concept.motion} %`);
      const clips = element("div", {class: "clips"});
      for (const example of concept.examples) {
        const clip = data.clips[example.clip];
        const canvas = element("canvas", {role: "img",
          "aria-label": `Clip of video ${example.video}, a supervoxel of concept ${concept.concept} outlined`});
        const scale = size(canvas, clip);
        const item = {clip, scale, context: canvas.getContext("2d"), paths: []};
        shown.push(item);
        Promise.all([loaded(clip.image), values(example.mask, clip)]).then(([image, mask]) => {
          item.paths = mask.map((frame) => outlines(frame, clip.width, clip.height));
          item.image = image;
          show();
        });
        clips.append(element("figure", {}, canvas, element("figcaption", {}, example.video)));
      }
      if (!concept.examples.length) clips.append(element("p", {class: "note"}, "Its clips were left out to keep this file small."));
      const about = element("div", {}, element("h4", {}, `Rank ${concept.rank} of ${concept.total} `,
        element("span", {class: "note"}, concept.name ?? `concept ${concept.concept}`)), spread(concept), facts);
      return element("li", {"data-row": concept.row}, about, clips);
    };
    const draw = (t) => {
      for (const {clip, scale, context, image, paths} of shown) {
        if (!image) continue;
        context.setTransform(scale, 0, 0, scale, 0, 0);
        drawFrame(context, image, clip, t % clip.frames);
        const {edge, outside} = paths[t % clip.frames];
        if (dim.checked) { context.fillStyle = "rgba(0, 0, 0, 0.55)"; context.fill(outside); }
        for (const [color, width] of [["#000", 1.6], ["#ffe600", 0.8]]) {
          context.strokeStyle = color;
          context.lineWidth = Math.max(width, 2.5 * width / scale);
          context.stroke(edge);
        }
      }
    };
    const show = player("concepts", () => Math.max(1, ...shown.map((item) => item.clip.frames)), draw);
    const update = () => {
      fill(select.network, distinct(data.concepts.map((c) => c.model)));
      const model = data.concepts.filter((c) => c.model === select.network.value);
      fill(select.layer, distinct(model.map((c) => c.layer)));
      fill(select.seed, distinct(model.map((c) => c.seed)));
      select.seed.closest("label").hidden = select.seed.options.length < 2;
      fill(select.class, distinct(data.concepts.map((c) => c.class)));
      const found = at();
      fill(select.concept, ["all", ...found.map((c) => c.concept)], ["all", ...found.map((c) => `rank ${c.rank}${c.name ? `, ${c.name}` : ""}`)]);
      const chosen = found.filter((c) => select.concept.value === "all" || String(c.concept) === select.concept.value);
      const orders = {rank: (a, b) => a.rank - b.rank, "-rank": (a, b) => b.rank - a.rank,
        score: (a, b) => b.score - a.score || a.rank - b.rank};
      chosen.sort(orders[select.sort.value]);
      shown = [];
      list.classList.toggle("large", chosen.length === 1);
      list.replaceChildren(...chosen.map(card));
      byId("concepts-said").textContent =
        `${found.length} concepts of ${select.class.value} in ${select.network.value}, ${select.layer.value}; ` +
        `${found.filter((c) => c.significant).length} significant.`;
      show();
    };
    for (const control of Object.values(select)) control.addEventListener("change", update);
    dim.addEventListener("change", show);
    byId("concepts").hidden = false;
    update();
  };

  const relevanceBrowser = (data) => {
    const network = byId("relevance-network"), clipChoice = byId("relevance-clip"), explainer = byId("relevance-explainer");
    const sigma = byId("relevance-sigma"), strength = byId("relevance-strength"), moving = byId("relevance-moving");
    const known = byId("relevance-known"), colors = {evidence: "#3ce65a", distractor: "#f05af0"};
    const views = ["clip", "whole", "part"].map((name) => byId(`relevance-${name}-view`));
    const heat = Uint8Array.from(atob(data.heat), (c) => c.charCodeAt(0));
    let now = null, wanted = 0;

    const scale = byId("relevance-scale").getContext("2d"), bar = scale.createImageData(256, 1);
    for (let i = 0; i < 256; i++) bar.data.set([...color(i / 255), 255], 4 * i);
    scale.putImageData(bar, 0, 0);

    // The darkest fifth of the colors is left out, as in the still pictures.
    function color(share) {
      const place = Math.round(255 * (0.2 + 0.8 * share));
      return heat.subarray(3 * place, 3 * place + 3);
    }
    const level = () => Number(sigma.value);  // 0: the whole map; n: the n-th threshold
    const sigmaName = () => (level() ? `σ = ${data.sigmas[level() - 1]}` : "whole map");

    const paint = (canvas, t, least) => {
      const {clip, image, relevance, levels, motion} = now;
      const context = canvas.getContext("2d"), zoom = canvas.width / clip.width;
      context.setTransform(zoom, 0, 0, zoom, 0, 0);
      context.filter = least === null ? "none" : "grayscale(1) brightness(0.6)";
      drawFrame(context, image, clip, t);
      context.filter = "none";
      if (least !== null) {
        const layer = element("canvas", {width: clip.width, height: clip.height});
        const over = layer.getContext("2d"), pixels = over.createImageData(clip.width, clip.height);
        for (let i = 0; i < relevance[t].length; i++) {
          if (least > 0 && levels[t][i] < least) continue;
          const root = relevance[t][i] / 255;
          pixels.data.set([...color(root * root), 255 * root * strength.value / 100], 4 * i);
        }
        over.putImageData(pixels, 0, 0);
        context.drawImage(layer, 0, 0);
      }
      if (moving.checked) {
        context.strokeStyle = "#5ac8fa";
        context.lineWidth = Math.max(0.5, 1.5 / zoom);
        context.stroke(motion[t].edge);
      }
      for (const [target, edges] of known.checked ? Object.entries(now.targets) : []) {
        context.strokeStyle = colors[target];
        context.lineWidth = Math.max(0.5, 1.5 / zoom);
        context.stroke(edges[t].edge);
      }
    };
    const draw = (t) => {
      if (!now) return;
      t %= now.clip.frames;
      paint(views[0], t, null);
      paint(views[1], t, 0);
      paint(views[2], t, level());
    };
    const show = player("relevance", () => (now ? now.clip.frames : 1), draw);

    const say = () => {
      byId("relevance-sigma-said").textContent = sigmaName();
      sigma.setAttribute("aria-valuetext", sigmaName());
      byId("relevance-strength-said").textContent = `${strength.value} %`;
      byId("relevance-part-said").textContent = level() ? `What changes in time, ${sigmaName()}` : "Whole map: move the slider";
      const step = (data.sweep[`${network.value} ${explainer.value}`] || [])[level()];
      const line = byId("relevance-said");
      line.replaceChildren();
      if (!step) return;
      line.dataset.row = step.row;
      const value = (name) => element("b", {"data-column": name}, step[name]);
      line.append("Over all clips, at this threshold: ", value("precision"), " % of the relevant voxels move, ", value("lift"),
        " times as many as by chance (", value("base_rate"), " %); ", value("relevance_share"), " % of the relevance and ",
        value("area_share"), " % of its area are kept.");
    };
    const load = async () => {
      const turn = ++wanted;
      const entry = data.explained.find((e) => e.model === network.value && e.clip === clipChoice.value);
      const clip = data.clips[entry.clip], maps = entry.maps[explainer.value];
      const name = data.titles[explainer.value] || explainer.value;
      const [image, relevance, levels, motion] = await Promise.all(
        [loaded(clip.image), values(maps.relevance, clip), values(maps.levels, clip), values(clip.moving, clip)]);
      const edges = (frames) => frames.map((frame) => outlines(frame, clip.width, clip.height)), targets = {};
      for (const [target, strip] of Object.entries(clip.known)) targets[target] = edges(await values(strip, clip));
      if (turn !== wanted) return;
      now = {clip, image, relevance, levels, targets, motion: edges(motion)};
      known.disabled = !Object.keys(targets).length;
      views.forEach((view) => size(view, clip));
      views[0].setAttribute("aria-label", `Clip of ${clip.class}, video ${clip.video}`);
      views[1].setAttribute("aria-label", `The clip under its relevance for ${network.value} by ${name}`);
      views[2].setAttribute("aria-label", `The same, but only relevance that changes in time`);
      byId("relevance").dataset.ready = `${network.value} ${clipChoice.value} ${explainer.value}`;
      say();
      show();
    };
    const update = () => {
      fill(network, distinct(data.explained.map((e) => e.model)));
      const own = data.explained.filter((e) => e.model === network.value);
      const names = own.map((e) => data.clips[e.clip]).map((c) => c.video.startsWith(c.class) ? c.video : `${c.class}: ${c.video}`);
      fill(clipChoice, own.map((e) => e.clip), names);
      const methods = Object.keys(own[0].maps);
      fill(explainer, methods, methods.map((m) => data.titles[m] || m));
      load();
    };
    sigma.max = data.sigmas.length;
    sigma.value = data.sigmas.indexOf(data.sigma) + 1;
    for (const control of [network, clipChoice, explainer]) control.addEventListener("change", update);
    sigma.addEventListener("input", () => { say(); show(); });
    strength.addEventListener("input", () => { say(); show(); });
    for (const control of [moving, known]) control.addEventListener("change", show);
    byId("relevance").hidden = false;
    update();
  };

  for (const [name, start] of [["concepts", conceptBrowser], ["relevance", relevanceBrowser]]) {
    const data = byId(`${name}-data`);
    if (data) start(JSON.parse(data.textContent));
  }
})();
