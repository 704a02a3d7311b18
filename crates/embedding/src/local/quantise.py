# Makes a model of int8 arithmetic (argv[2]) out of one that only stores its weights as int8 (argv[1]).
# Optimising at the basic level folds the stored weights back to fp32; dynamic quantisation then replaces the matrix
# products by integer ones, with one scale for each output channel.
import os, sys

import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

source, target = sys.argv[1:]
plain = target + ".fp32"
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
options.optimized_model_filepath = plain
onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
quantize_dynamic(plain, target, weight_type=QuantType.QInt8, per_channel=True)
os.remove(plain)
