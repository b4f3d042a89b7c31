"use strict";
/* What the page can do beyond standing still: play moments, open people, search, copy times. It asks nothing of the
   network but the video, and that only when somebody wants to see a moment. Without it everything is on the page. */
(() => {
  const body = document.body, data = body.dataset;
  const one = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
  const begins = Number(data.begins), duration = Number(data.duration);
  document.documentElement.classList.add("scripted");
  body.classList.add("scripted");

  /* Parts that wait in <noscript> become elements when they are wanted: a film has far too many to build at once. */
  const unfold = (waiting) => {
    const template = document.createElement("template");
    template.innerHTML = waiting.textContent;
    waiting.replaceWith(template.content);
  };

  const clock = (seconds, digits = 1) => {
    const whole = Math.max(0, Math.floor(seconds * 10 + 0.5)) / 10;
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    return (hours ? hours + ":" + String(minutes).padStart(2, "0") : minutes) + ":" + rest;
  };
  const timeCode = (seconds) => new Date(Math.round(Math.max(0, seconds) * 1000)).toISOString().slice(11, 23);

  const whose = (element) => (element.closest("[data-who]") || body).dataset.who || "";

  const status = one("#said");
  const say = (text) => { status.textContent = ""; requestAnimationFrame(() => { status.textContent = text; }); };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = make("textarea", text);
      body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say("Copied " + text);
  };

  /* The video. */
  const player = one("#player"), video = one("video", player), ask = one(".ask", player), what = one("#playing");
  const given = () => new URLSearchParams(location.hash.slice(1)).get("video") || data.video;
  let source = given(), at = 0, back = null;
  const wants = (reason) => {
    video.hidden = true;
    ask.hidden = false;
    one("p", ask).textContent = reason;
  };
  const seek = () => {
    video.currentTime = begins + at;
    video.play().catch(() => {});
  };
  const play = (seconds, label) => {
    at = seconds;
    if (player.hidden) back = document.activeElement;
    player.hidden = false;
    body.classList.add("beside");
    what.textContent = (label ? label + ", " : "") + clock(at);
    if (!source) {
      wants("Choose “" + data.title + "” to see this moment. It stays on this machine.");
    } else if (video.src && !ask.hidden) {
      wants(one("p", ask).textContent);
    } else if (video.getAttribute("src") === source && video.readyState > 0) {
      seek();
    } else if (video.getAttribute("src") !== source) {
      ask.hidden = true;
      video.hidden = false;
      video.src = source;
      video.load();
    }
  };
  const shut = () => {
    video.pause();
    player.hidden = true;
    body.classList.remove("beside");
    if (back) back.focus();
  };
  video.addEventListener("loadedmetadata", () => {
    const other = duration && Math.abs(video.duration - duration - begins) > Math.max(2, duration / 50);
    if (other) say("This file lasts " + clock(video.duration) + ", the one this page is about " + clock(duration) + ".");
    seek();
  });
  video.addEventListener("error", () => {
    const chosen = source.startsWith("blob:");
    source = "";
    video.removeAttribute("src");
    wants(chosen
      ? "This browser can’t play that file. The time stands below: open it in a player of your own."
      : "The video isn’t where this page looks for it. Choose “" + data.title + "”; it stays on this machine.");
  });
  one("input", ask).addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (!file) return;
    if (source.startsWith("blob:")) URL.revokeObjectURL(source);
    source = URL.createObjectURL(file);
    event.target.value = "";
    ask.hidden = true;
    video.hidden = false;
    video.src = source;
  });
  one("#copy").addEventListener("click", () => copy(timeCode(video.hidden ? at : Math.max(0, video.currentTime - begins))));
  one("#shut").addEventListener("click", shut);

  /* Who is shown: the wall, or one person. */
  const wall = one("#whole"), stage = one("#one"), tiles = all(".tile");
  const shown = () => tiles.filter((tile) => !tile.hidden);
  const numberOf = () => Number((location.hash.match(/^#person-(\d+)$/) || [])[1] || 0);
  let came = 0, from = 0;
  const personOf = (number) => number && one('article[data-person="' + number + '"]');
  const route = () => {
    const number = numberOf(), waiting = number && one('noscript[data-person="' + number + '"]');
    if (waiting) {
      unfold(waiting);
      // A browser would scroll to what the address names; this page shows it alone, from its top.
      personOf(number).removeAttribute("id");
      steps(personOf(number));
    }
    const person = personOf(number);
    if (person && !wall.hidden) came = scrollY;
    wall.hidden = Boolean(person);
    body.classList.toggle("on-person", Boolean(person));
    for (const held of stage.children) held.hidden = held !== person;
    if (person) {
      from = number;
      scrollTo({ top: 0, behavior: "instant" });
      one("h2", person).focus({ preventScroll: true });
      return;
    }
    const tile = from && tiles.find((each) => Number(each.dataset.number) === from);
    const target = location.hash.length > 1 && location.hash !== "#people" && document.getElementById(location.hash.slice(1));
    if (tile) {
      scrollTo({ top: came, behavior: "instant" });
      one("a", tile).focus({ preventScroll: true });
      if (target) target.scrollIntoView();
    }
    from = 0;
  };
  const steps = (person) => {
    const bar = make("nav", "", { className: "steps" });
    bar.setAttribute("aria-label", "People");
    const button = (text, act) => {
      const made = make("button", text, { className: "button", type: "button" });
      made.addEventListener("click", act);
      bar.append(made);
    };
    button("← Everyone", leave);
    if (tiles.length > 1) {
      button("Previous", () => step(-1));
      button("Next", () => step(1));
    }
    person.prepend(bar);
  };
  const leave = () => { location.hash = "people"; };
  const step = (by) => {
    const numbers = (shown().length ? shown() : tiles).map((tile) => tile.dataset.number);
    const place = numbers.indexOf(String(from));
    location.hash = "person-" + numbers[(place + by + numbers.length) % numbers.length];
  };
  addEventListener("hashchange", route);

  /* Search and filter. */
  const query = one("[name=query]"), when = one("[name=when]"), flag = one("[name=flag]"), order = one("[name=order]");
  const found = one(".tools output"), nobody = one("#nobody");
  const seconds = (text) => {
    const parts = text.trim().split(":");
    return parts.every((part) => /^\d+([.,]\d+)?$/.test(part)) && parts.length < 4
      ? parts.reduce((sum, part) => sum * 60 + Number(part.replace(",", ".")), 0) : NaN;
  };
  const span = (text) => {
    if (!text.trim()) return [0, Infinity];
    const ends = text.split(/\s*(?:–|-|to)\s*/).map(seconds);
    return ends.length === 2 ? ends : [ends[0], ends[0]];
  };
  const meets = (spans, [start, end]) =>
    spans.split(" ").some((each) => { const [a, b] = each.split("-").map(Number); return a <= end && b >= start; });
  const filter = () => {
    if (!query) return;
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = span(when.value), wrong = asked.some(Number.isNaN), spans = wrong ? [0, Infinity] : asked;
    when.setAttribute("aria-invalid", String(wrong));
    for (const tile of tiles) {
      const { name, number, on, flags } = tile.dataset;
      const text = (name + " person " + number).toLowerCase();
      const flagged = { "": true, named: name !== "", unnamed: name === "", flawless: flags === "" }[flag.value]
        ?? flags.split(" ").includes(flag.value);
      const said = words.every((word) => (/^\d+$/.test(word) ? number === word || name.includes(word) : text.includes(word)));
      tile.hidden = !(said && flagged && (spans[1] === Infinity || meets(on, spans)));
    }
    const left = shown().length;
    found.textContent = wrong ? "Write a time like 12:30 or 12:00–15:00" : left === tiles.length ? "" : left + " of " + tiles.length;
    nobody.hidden = left > 0 || wrong || !tiles.length;
    timed(spans);
  };
  const timed = (spans) => {
    const every = spans[1] === Infinity;
    for (const frame of all(".ten li")) {
      frame.hidden = !every && !(Number(one("a", frame).dataset.t) >= spans[0] && Number(one("a", frame).dataset.t) <= spans[1]);
    }
    for (const reel of all(".reel")) {
      reel.hidden = !every && !meets(reel.dataset.span, spans);
      if (!every && !reel.hidden) fill(reel);
      for (const scene of all("a", reel)) scene.hidden = !every && !meets(scene.dataset.span, spans);
    }
  };
  const sort = () => {
    const keys = { time: (tile) => Number(tile.dataset.number), first: (tile) => parseFloat(tile.dataset.on) };
    const by = keys[order.value];
    const sorted = by ? tiles.sort((a, b) => by(a) - by(b))
      : tiles.sort((a, b) => (a.dataset.name || "\uffff").localeCompare(b.dataset.name || "\uffff", undefined, { numeric: true }) || a.dataset.number - b.dataset.number);
    one(".wall").append(...sorted);
  };
  if (query) {
    for (const field of [query, when, flag]) field.addEventListener("input", filter);
    order.addEventListener("input", sort);
  }

  /* The film strip is filled as it comes into view. */
  const strip = one(".strip");
  const fill = (reel) => {
    const waiting = one("noscript", reel);
    if (waiting) unfold(waiting);
    reel.classList.remove("ahead");
  };
  if (strip) {
    const near = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) {
        if (isIntersecting) {
          fill(target);
          near.unobserve(target);
        }
      }
    }, { root: strip, rootMargin: "0px 900px" });
    all(".reel", strip).filter((reel) => one("noscript", reel)).forEach((reel) => near.observe(reel));
    if (duration > 900) {
      const every = [300, 600, 1200, 1800, 3600].find((pace) => duration / pace <= 14) || duration / 12;
      for (let at = 0; at < duration; at += every) {
        const jump = make("a", clock(at, 0), { href: "#scenes" });
        jump.addEventListener("click", (event) => {
          event.preventDefault();
          const reel = all(".reel", strip).findLast((each) => parseFloat(each.dataset.span) <= at);
          fill(reel);
          const scene = all("a", reel).findLast((each) => parseFloat(each.dataset.span) <= at) || reel;
          strip.scrollLeft += scene.getBoundingClientRect().left - strip.getBoundingClientRect().left - 12;
        });
        one(".jumps").append(jump);
      }
      one(".jumps").hidden = false;
    }
  }
  for (const folded of all("details")) {
    folded.addEventListener("toggle", () => all("noscript", folded).forEach(unfold));
  }

  /* Two who may be one show the faces that are on the wall already. */
  for (const link of all(".pairs a")) {
    const face = one('.tile[data-number="' + link.dataset.face + '"] img');
    if (face) link.prepend(make("img", "", { src: face.src, alt: "" }));
  }

  /* Every time plays. */
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const time = event.target.closest("[data-t]");
    if (time) {
      event.preventDefault();
      play(Number(time.dataset.t), whose(time));
      return;
    }
    const lane = event.target.closest(".lane");
    if (lane) {
      const box = lane.getBoundingClientRect();
      play(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.9999) * duration, whose(lane));
      return;
    }
    const code = event.target.closest("[data-copy]");
    if (code) copy(timeCode(Number(code.dataset.copy)));
  });

  /* The stills as they are: from a server each is saved; on a disk they lie beside this page already. */
  const stills = one("#stills");
  if (stills && location.protocol.startsWith("http")) {
    stills.textContent = "Save all stills";
    stills.addEventListener("click", async (event) => {
      event.preventDefault();
      for (const tile of shown()) {
        const save = make("a", "", { href: tile.dataset.still, download: "" });
        body.append(save);
        save.click();
        save.remove();
        await new Promise((next) => setTimeout(next, 250));
      }
      say(shown().length + " stills are being saved");
    });
  }

  /* Keys. */
  const around = (tile, key) => {
    const here = tile.getBoundingClientRect();
    const row = (box) => Math.round(box.top), sideways = key === "ArrowLeft" || key === "ArrowRight";
    const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    const others = shown();
    if (sideways) return others[others.indexOf(tile) + sign];
    const rows = others.map((each) => [each, each.getBoundingClientRect()])
      .filter(([, box]) => (row(box) - row(here)) * sign > 4);
    const next = Math.min(...rows.map(([, box]) => Math.abs(row(box) - row(here))));
    return rows.filter(([, box]) => Math.abs(row(box) - row(here)) < next + 4)
      .sort(([, a], [, b]) => Math.abs(a.left - here.left) - Math.abs(b.left - here.left)).map(([each]) => each)[0];
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input, select, textarea"), key = event.key;
    if (key === "Escape") {
      if (typing && query && typing.value && typing.tagName === "INPUT") { typing.value = ""; filter(); }
      else if (!player.hidden) shut();
      else if (wall.hidden) leave();
      return;
    }
    if (typing || event.target === video) return;
    const tile = event.target.closest(".tile");
    if (key === "/" && query) {
      event.preventDefault();
      if (wall.hidden) leave();
      setTimeout(() => query.focus());
    } else if (wall.hidden && (key === "ArrowRight" || key === "ArrowLeft")) {
      event.preventDefault();
      step(key === "ArrowRight" ? 1 : -1);
    } else if (tile && key.startsWith("Arrow")) {
      const next = around(tile, key);
      if (next) {
        event.preventDefault();
        one("a", next).focus();
      }
    } else if (key === "p" || key === "c") {
      const person = wall.hidden && personOf(from), holder = person || tile;
      const time = holder && one("[data-t]", holder);
      if (time && key === "p") play(Number(time.dataset.t), whose(time));
      else if (key === "c" && !player.hidden) one("#copy").click();
      else if (time) copy(timeCode(Number(time.dataset.t)));
    }
  });

  if (numberOf()) route();
})();
