// Enhances samples with a graph of codecse export_onnx, by onnxruntime-web. `ort` is its global object.

// onnxruntime-web does not pass on a graph's metadata: take the numbers that codecse export_onnx prints.
export class Enhancer {
  static async load(url, { hop, windowSize }) {
    const enhancer = new Enhancer();
    enhancer.session = await ort.InferenceSession.create(url);
    enhancer.hop = hop;
    enhancer.delay = windowSize - hop; // samples that the output is behind the input
    const [samples, ...state] = enhancer.session.inputMetadata;
    enhancer.inputs = [samples.name, ...state.map((input) => input.name)];
    enhancer.state = state.map(({ shape }) => new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b, 1)), shape));
    return enhancer;
  }

  // Takes and returns a hop of samples, Float32Array. Await each call before the next one.
  async process(samples) {
    const given = [new ort.Tensor("float32", samples, [1, this.hop]), ...this.state];
    const results = await this.session.run(Object.fromEntries(this.inputs.map((name, index) => [name, given[index]])));
    const [enhanced, ...state] = this.session.outputNames.map((name) => results[name]);
    this.state = state;
    return enhanced.data;
  }
}
