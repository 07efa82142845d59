/** The oldest browsers that the app is built for: all have `Intl.Segmenter`, `AbortSignal.any` and the `v` flag. */
export const BROWSERS = ['chrome116', 'firefox125', 'safari17.4']
