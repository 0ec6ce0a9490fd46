import { FILE_TYPES } from 'arrowquant';
import { useRef } from 'preact/hooks';
import { closeModel, openFiles, openSample } from '../actions';
import { givenFiles, pickedFolder } from '../dropped';
import { model } from '../store';
import { AddressForm } from './AddressForm';
import { StepGraphic } from './StepGraphic';

export function Welcome() {
  return (
    <div class="welcome">
      <section class="hero" aria-labelledby="title">
        <div class="hero-text">
          <h1 id="title">Smaller models, made in this tab.</h1>
          <p class="lead">
            Drop a model and get a quantized one back: of a language model the GGUF that llama.cpp opens, which you can
            try at once. The weights are read, rounded and written on your own processor. Nothing is uploaded.
          </p>
          <OpenPanel />
        </div>
        <StepGraphic />
      </section>
      <ul class="facts">
        <li>
          <h2>In and out</h2>
          <p>
            Reads the folders of the Hub, safetensors, GGUF, PyTorch and ONNX, also in shards. Writes GGUF in{' '}
            {String(FILE_TYPES.length)} types, with the very bytes of llama.cpp's quantizers, ONNX for transformers.js,
            safetensors, and folders for MLX, vLLM, bitsandbytes and WebLLM.
          </p>
        </li>
        <li>
          <h2>Any size</h2>
          <p>
            The file is read in slices and the result streams to disk, so that a model of 40 GB takes no more memory
            than one of 40 MB.
          </p>
        </li>
        <li>
          <h2>Nothing hidden</h2>
          <p>
            Every layer is decoded again and compared: see what each one lost, where, and which rule kept the others as
            they were.
          </p>
        </li>
      </ul>
    </div>
  );
}

function OpenPanel() {
  const input = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);
  const state = model.value;
  if (state.status === 'opening') {
    return (
      <div class="open-panel" aria-busy="true">
        <p class="open-title">Opening {state.what}…</p>
        <div class="bar is-endless">
          <span />
        </div>
        <div class="button-row">
          <button type="button" class="button" onClick={closeModel}>
            Cancel
          </button>
        </div>
      </div>
    );
  }
  return (
    <div class="open-panel">
      {state.status === 'failed' && (
        <div class="notice is-bad" role="alert">
          <strong>{state.name} cannot be opened.</strong>
          <p>{state.message}</p>
        </div>
      )}
      <p class="open-title">Drop a model here</p>
      <p class="open-hint">
        The folder of a language model, as it is on the Hugging Face Hub; or .safetensors, .gguf, .onnx or .ckpt files
      </p>
      <div class="button-row">
        <button type="button" class="button is-primary" onClick={() => input.current?.click()}>
          Choose files
        </button>
        <button type="button" class="button" onClick={() => folderInput.current?.click()}>
          Choose a folder
        </button>
      </div>
      <div class="button-row is-centered" role="group" aria-labelledby="samples-title">
        <span class="open-hint" id="samples-title">
          Or try a sample:
        </span>
        <button type="button" class="button is-small" onClick={() => void openSample('language')}>
          A language model
        </button>
        <button type="button" class="button is-small" onClick={() => void openSample('diffusion')}>
          An image model
        </button>
      </div>
      <input
        ref={input}
        class="visually-hidden"
        type="file"
        multiple
        accept=".safetensors,.gguf,.onnx,.onnx_data,.json,.ckpt,.pt,.pth,.bin,.model,.jinja,.txt,.md"
        aria-label="Model files"
        tabIndex={-1}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          // So that choosing the same file again is a change.
          currentTarget.value = '';
          void openFiles(givenFiles(files));
        }}
      />
      <input
        ref={(element) => {
          folderInput.current = element;
          if (element !== null) element.webkitdirectory = true;
        }}
        class="visually-hidden"
        type="file"
        aria-label="Model folder"
        tabIndex={-1}
        onChange={({ currentTarget }) => {
          const given = pickedFolder([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
          void openFiles(given);
        }}
      />
      <AddressForm />
    </div>
  );
}
