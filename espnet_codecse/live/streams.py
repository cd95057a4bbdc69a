"""Streams of a trained model or an exported graph."""

from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import Stream

SAMPLE_RATE = 16000  # of models that stream, Hz


def build_streams(
    model: str, num_streams: int = 1, codec: str | None = None, num_codebooks: int | None = None
) -> list[Stream]:
    """Return streams of an ONNX graph, or of a model by any name that ``codecse enhance`` accepts.

    Args:
        model: the graph or model.
        num_streams: number of streams, such as one per channel.
        codec: folder of its codec, if it has moved.
        num_codebooks: quantise with the codec's first codebooks; None: decode the continuous embedding.

    Raises:
        UserError: the model does not exist or does not stream, or it has no codec or fewer codebooks.
    """
    if Path(model).suffix == ".onnx":
        streams = [_of_graph(model, codec) for _ in range(num_streams)]
    else:
        from espnet_codecse.zoo.load import load_enhancer

        enhancer = load_enhancer(model, codec, device="cpu", dtype="float32")
        try:
            streams = [enhancer.stream() for _ in range(num_streams)]
        except UserError as error:
            raise UserError(f"--model {model}: {error}") from None
    if num_codebooks is not None:
        from espnet_codecse.codec.resolve import check_num_codebooks
        from espnet_codecse.enh.streaming import CodecStream

        for stream in streams:
            if not isinstance(stream, CodecStream):
                raise UserError(f"--num_codebooks: {model} works on waveforms; leave it out")
            check_num_codebooks(stream.codec, num_codebooks)
            stream.num_codebooks, stream.quantized = num_codebooks, True
    return streams


def _of_graph(path: str, codec: str | None) -> Stream:
    from espnet_codecse.enh.streaming import CodecStream, OnnxEncoder, is_encoder
    from espnet_codecse.onnx_step import OnnxStep

    graph = OnnxStep(Path(path))
    if is_encoder(graph):
        encoder = OnnxEncoder(graph, codec)
        return CodecStream(encoder.codec, encoder=encoder)
    from espnet_codecse.causal.onnx import OnnxStream

    return OnnxStream(graph)
