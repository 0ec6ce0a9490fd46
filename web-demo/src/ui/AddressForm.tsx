import { useRef } from 'preact/hooks';
import { openAddress } from '../actions';
import { buildCommand, HOSTS, HUB_URL } from '../hosts';
import { model } from '../store';

/** What was opened last: the form is not there while that goes on. */
let lastAddress = '';

/** Reads a model that lies on a server, where the page's policy lets it. */
export function AddressForm() {
  const address = useRef<HTMLInputElement>(null);
  const token = useRef<HTMLInputElement>(null);
  return (
    <form
      class="address-form"
      onSubmit={(event) => {
        event.preventDefault();
        lastAddress = address.current?.value.trim() ?? '';
        void openAddress(lastAddress, token.current?.value.trim() ?? '');
      }}
    >
      <label class="field">
        <span class="field-title">Or an address, which is read as it is needed</span>
        <input
          ref={address}
          name="address"
          type="text"
          defaultValue={model.value.status === 'failed' ? lastAddress : ''}
          placeholder="hf:organization/model, its page on the hub, or https://…"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          required
        />
      </label>
      <details>
        <summary>The model is private or gated</summary>
        <label class="field">
          <span class="field-title">Access token</span>
          <input ref={token} name="token" type="password" autocomplete="off" />
          <span class="hint">Sent to {new URL(HUB_URL).host} only, and forgotten with the model.</span>
        </label>
      </details>
      <button type="submit" class="button">
        Open the address
      </button>
      <Hosts />
    </form>
  );
}

function Hosts() {
  if (HOSTS.length > 0) {
    return (
      <p class="hint" data-testid="hosts">
        This page may read from its own site, and from {HOSTS.map(withoutScheme).join(', ')}.
      </p>
    );
  }
  return (
    <p class="hint" data-testid="hosts">
      This page may read from its own site only. One that reads from the Hugging Face Hub is built with{' '}
      <code>{buildCommand(['https://huggingface.co', 'https://*.hf.co'])}</code>.
    </p>
  );
}

const withoutScheme = (host: string): string => host.replace(/^https:\/\//i, '');
