/* global Module -- of Emscripten */
// The C++ tests' program ends here, with the result of main(). Emscripten has closed the standard streams by now, and goes
// on to answer messages that its threads have sent before: with a warning, which has nowhere to go and is an error in turn.
Module.onExit = (code) => process.exit(code);
