import type { ArrowQuant, ConvertFileOptions, FileReport } from '../index.js';
import { Interrupted } from './exit.js';
import type { CommonOptions } from './options.js';
import { progressOn } from './progress.js';
import { printReport, printWarnings } from './report.js';
import { withQuantizer } from './session.js';

/** Runs a conversion with its progress on stderr, and prints its report to stdout. `convert` is to pass `going` on. */
export async function convertWithProgress(
  common: CommonOptions,
  convert: (quantizer: ArrowQuant, going: ConvertFileOptions) => Promise<FileReport>,
): Promise<void> {
  const { threads, json, quiet, verbose, resume } = common;
  const silent = quiet === true || (json === true && !process.stderr.isTTY);
  const view = progressOn(process.stderr, silent);
  let report: FileReport;
  let told = 0;
  try {
    report = await withQuantizer({ threads, verbose }, (quantizer, signal) =>
      convert(quantizer, {
        signal,
        onEvent: (event) => {
          // Before the work, which may take hours.
          if (event.type === 'start') {
            printWarnings(event.warnings);
            told = event.warnings.length;
          }
          view.onEvent(event);
        },
      }),
    );
  } catch (error) {
    if (error instanceof Interrupted && resume === true) error.outcome = 'the same command goes on from there';
    throw error;
  } finally {
    view.stop();
  }
  // What it took the work to find out.
  printWarnings(report.warnings.slice(told));
  printReport(report, common);
}
