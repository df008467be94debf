// The search of the site runs in a worker, which browsers refuse to pages that are opened from a disk.
// There, a hidden frame takes the worker's place. (Zensical would fetch such a script from the network.)
if (location.protocol === "file:") {
  // As a worker's messages are: a copy, once the sender is done.
  const later = (data, send) => {
    const event = new MessageEvent("message", { data: structuredClone(data) });
    setTimeout(() => send(event));
  };

  window.Worker = class {
    onmessage = null;
    onmessageerror = null;
    onerror = null;
    #waiting = [];
    #frame = document.createElement("iframe");

    constructor(url) {
      this.#frame.hidden = true;
      document.body.append(this.#frame);
      const frame = this.#frame.contentWindow;
      frame.postMessage = (data) => later(data, (event) => this.onmessage?.(event));
      const script = frame.document.createElement("script");
      script.src = url;
      script.onload = () => {
        const waiting = this.#waiting;
        this.#waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      };
      script.onerror = () => this.onerror?.(new ErrorEvent("error", { message: `${url} can't be read` }));
      frame.document.head.append(script);
    }

    postMessage(data) {
      if (this.#waiting) {
        this.#waiting.push(data);
      } else {
        later(data, (event) => this.#frame.contentWindow?.dispatchEvent(event));
      }
    }

    terminate() {
      this.#frame.remove();
    }
  };
}
