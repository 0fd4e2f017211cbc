// ONNX Runtime, for comparison alone: nothing of fer links it. FER_ONNXRUNTIME names the folder that
// scripts/fetch-onnxruntime.sh filled.
//   node onnxruntime.mjs run MODEL N,C,H,W FILE    FILE: raw floats -> {"head": [values...]}
//   node onnxruntime.mjs time MODEL N,C,H,W        a line on standard input -> a line: milliseconds of
//                                                  CPU time of one answer, the median of some
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {resolve} from 'node:path';
import {createInterface} from 'node:readline';

const ort = createRequire(resolve(process.env.FER_ONNXRUNTIME) + '/')('onnxruntime-node');
const [mode, model, dims, file] = process.argv.slice(2);
const shape = dims.split(',').map(Number);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential',
  // Its optimiser folds batch norm into weights with rounding of its own: to compare, the file as it is.
  graphOptimizationLevel: mode === 'run' ? 'disabled' : 'all', logSeverityLevel: 3});
const answer = (values) => session.run({input: new ort.Tensor('float32', values, shape)});

if (mode === 'run') {
  const bytes = readFileSync(file);
  const results = await answer(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
  console.log(JSON.stringify(Object.fromEntries(
      Object.entries(results).map(([head, tensor]) => [head, Array.from(tensor.data)]))));
} else {
  const cpu = () => {
    const {user, system} = process.cpuUsage();
    return (user + system) / 1e3;
  };
  const values = new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5);
  for (let i = 0; i < 3; ++i) await answer(values);
  for await (const _ of createInterface({input: process.stdin})) {
    const times = [];
    for (const end = cpu() + 250; cpu() < end || times.length < 5;) {
      const start = cpu();
      await answer(values);
      times.push(cpu() - start);
    }
    times.sort((a, b) => a - b);
    console.log(times[times.length >> 1]);
  }
}
