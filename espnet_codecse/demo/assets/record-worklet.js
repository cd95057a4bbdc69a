"use strict";
// Hands the samples of the microphone to the page.
class RecordProcessor extends AudioWorkletProcessor {
  process([[heard]]) {
    if (heard) this.port.postMessage(heard.slice());
    return true;
  }
}

registerProcessor("record-processor", RecordProcessor);
