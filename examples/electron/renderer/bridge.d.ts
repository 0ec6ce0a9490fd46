/** What preload.cjs gives to the page as `window.quantization`. */
export interface QuantizationBridge {
  /** Lets the user choose a model; null when they choose none. */
  chooseInput(): Promise<{ readonly path: string; readonly name: string; readonly bytes: number } | null>;
  /** Lets the user choose where the result goes; null when they choose nothing. */
  chooseOutput(suggestedName: string): Promise<string | null>;
  /** Shows a file that `chooseOutput` gave. */
  showInFolder(file: string): void;
  /** Asks for a port to the utility process: it arrives as the message `quantization-port` of the window to itself. */
  connect(): void;
  /** Calls `listener` when the utility process has ended though it should not have. */
  onProcessGone(listener: () => void): void;
}

declare global {
  interface Window {
    readonly quantization: QuantizationBridge;
  }
}
