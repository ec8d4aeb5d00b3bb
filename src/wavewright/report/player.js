"use strict";
// Several recordings of one moment, switchable while they play. All of them run on one clock, each behind a gain of its
// own; switching is a cross-fade of a few milliseconds, so the position cannot move and nothing clicks.
(() => {
  const FADE = 0.004; // time constant in seconds
  let context = null;
  let active = null;

  const bytes = (address) => {
    const text = atob(address.slice(address.indexOf(",") + 1));
    const buffer = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) buffer[at] = text.charCodeAt(at);
    return buffer.buffer;
  };
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

  class Player {
    constructor(root) {
      this.root = root;
      this.sounds = [...root.querySelectorAll("audio")];
      this.buttons = [...root.querySelectorAll(".choice button")];
      this.paths = [...root.querySelectorAll(".wave path")];
      this.wave = root.querySelector(".wave");
      this.head = root.querySelector(".head");
      this.mark = root.querySelector(".loop");
      this.looping = root.querySelector("input.looping");
      this.matched = root.querySelector("input.matched");
      this.levels = this.sounds.map((sound) => Number(sound.dataset.level) || 1);
      this.length = Number(root.dataset.seconds);
      this.chosen = 0;
      this.offset = 0; // position in seconds where playing starts or stands
      this.started = null; // the context's time at which it started; null when it stands
      this.run = { loop: false, region: [0, 0] };
      this.region = [0, this.length];
      this.buffers = null;
      this.nodes = [];
      this.gains = [];
      this.bind();
      this.choose(Number(root.dataset.first) || 0);
      root.classList.add("ready");
    }

    bind() {
      const play = this.root.querySelector(".play");
      const on = (node, act) => node.addEventListener("click", (event) => {
        active = this;
        act();
        if (event.detail) node.blur(); // after the mouse, space means play again, not the button
      });
      on(play, () => this.toggle());
      this.buttons.forEach((button, index) => on(button, () => this.choose(index)));
      on(this.looping, () => this.restart());
      if (this.matched) on(this.matched, () => this.fade());
      let from = null;
      const place = (event) => {
        const box = this.wave.getBoundingClientRect();
        return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.length;
      };
      this.wave.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        active = this;
        from = place(event);
        this.wave.setPointerCapture(event.pointerId);
      });
      this.wave.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const to = place(event);
        if (Math.abs(to - from) > this.length * 0.015) this.select(Math.min(from, to), Math.max(from, to));
      });
      this.wave.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const to = place(event);
        if (Math.abs(to - from) > this.length * 0.015) {
          this.looping.checked = true;
          this.seek(Math.min(from, to));
        } else {
          const [start, end] = this.region;
          if (to < start || to > end) this.select(0, this.length);
          this.seek(to);
        }
        from = null;
      });
      this.wave.addEventListener("pointercancel", () => { from = null; });
      this.wave.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -5, PageUp: 5, Home: -Infinity, End: Infinity }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        this.seek(this.position() + step);
      });
    }

    async load() {
      context ??= new AudioContext({ latencyHint: "interactive" });
      if (context.state === "suspended") await context.resume();
      this.loading ??= Promise.all(this.sounds.map((sound) => context.decodeAudioData(bytes(sound.src))));
      this.buffers = await this.loading;
    }

    position() {
      if (this.started === null) return this.offset;
      const now = this.offset + Math.max(0, context.currentTime - this.started);
      const { loop, region: [start, end] } = this.run; // as it was started, whatever has been chosen since
      if (loop && now > end) return start + ((now - start) % (end - start));
      return Math.min(now, this.length);
    }

    async toggle() {
      active = this;
      if (this.started !== null) return this.stop();
      players.forEach((other) => other.started !== null && other.stop());
      try {
        await this.load();
      } catch (problem) {
        this.root.classList.remove("ready"); // the browser's own players remain
        return undefined;
      }
      if (this.offset >= this.length - 0.01) this.offset = this.looping.checked ? this.region[0] : 0;
      return this.start();
    }

    start() {
      const when = context.currentTime + 0.01;
      this.run = { loop: this.looping.checked && this.offset < this.region[1], region: this.region };
      this.gains = this.buffers.map((buffer, index) => {
        const gain = context.createGain();
        gain.gain.value = this.level(index);
        gain.connect(context.destination);
        return gain;
      });
      this.nodes = this.buffers.map((buffer, index) => {
        const node = context.createBufferSource();
        node.buffer = buffer;
        node.loop = this.run.loop;
        [node.loopStart, node.loopEnd] = this.region;
        node.connect(this.gains[index]);
        node.start(when, this.offset);
        return node;
      });
      this.nodes[0].onended = () => this.stop(true);
      this.started = when;
      this.root.classList.add("playing");
      this.root.querySelector(".play").setAttribute("aria-label", "Pause");
      this.draw();
    }

    stop(ended = false) {
      if (this.started === null) return;
      this.offset = ended ? 0 : this.position();
      this.started = null;
      this.nodes.forEach((node) => { node.onended = null; node.stop(); });
      this.root.classList.remove("playing");
      this.root.querySelector(".play").setAttribute("aria-label", "Play");
      this.draw();
    }

    restart() {
      if (this.started === null) return;
      this.stop();
      this.start();
    }

    seek(seconds) {
      const playing = this.started !== null;
      if (playing) this.stop();
      this.offset = Math.min(Math.max(0, seconds), this.length);
      if (playing) this.start();
      this.draw();
    }

    select(start, end) {
      this.region = [start, end];
      const whole = start <= 0 && end >= this.length;
      this.mark.hidden = whole;
      this.mark.style.left = `${(100 * start) / this.length}%`;
      this.mark.style.width = `${(100 * (end - start)) / this.length}%`;
    }

    level(index) {
      if (index !== this.chosen) return 0;
      return this.matched && this.matched.checked ? this.levels[index] : 1;
    }

    choose(index) {
      if (index >= this.buttons.length) return;
      this.chosen = index;
      this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
      this.paths.forEach((path, at) => path.classList.toggle("shown", at === index));
      this.fade();
    }

    fade() {
      if (this.started === null) return;
      this.gains.forEach((gain, at) => gain.gain.setTargetAtTime(this.level(at), context.currentTime, FADE));
    }

    draw() {
      const now = this.position();
      this.head.style.left = `${(100 * now) / this.length}%`;
      this.root.querySelector(".now").textContent = clock(now);
      this.wave.setAttribute("aria-valuenow", now.toFixed(1));
      this.wave.setAttribute("aria-valuetext", `${now.toFixed(1)} of ${this.length.toFixed(1)} seconds`);
      if (this.started !== null) requestAnimationFrame(() => this.draw());
    }
  }

  if (typeof AudioContext === "undefined") return;
  const players = [...document.querySelectorAll(".player")].map((root) => new Player(root));
  active = players[0];
  document.addEventListener("keydown", (event) => {
    if (!active || event.ctrlKey || event.metaKey || event.altKey) return;
    const focus = event.target;
    const digit = Number(event.key);
    if (digit >= 1 && digit <= active.buttons.length) return void active.choose(digit - 1);
    if (event.key === "l") {
      active.looping.checked = !active.looping.checked;
      return void active.restart();
    }
    if (event.key !== " " || ["BUTTON", "INPUT", "SUMMARY", "A"].includes(focus.tagName)) return;
    event.preventDefault();
    active.toggle();
  });
  window.wavewright = players; // for tests and the curious
})();
