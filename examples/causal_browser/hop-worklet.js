// Hands the microphone to the page hop by hop, and plays what comes back. The browser works in blocks of 128 samples.
class HopProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions: { hop } }) {
    super();
    this.hop = new Float32Array(hop);
    this.filled = 0;
    this.queue = []; // enhanced samples
    this.port.onmessage = ({ data }) => this.queue.push(...data);
  }

  process([[heard]], [[played]]) {
    for (const sample of heard ?? new Float32Array(played.length)) {
      this.hop[this.filled++] = sample;
      if (this.filled === this.hop.length) {
        this.port.postMessage(this.hop.slice());
        this.filled = 0;
      }
    }
    if (this.queue.length >= played.length) played.set(this.queue.splice(0, played.length));
    return true;
  }
}

registerProcessor("hop-processor", HopProcessor);
