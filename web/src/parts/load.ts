const PAUSE_MS = 1500

/**
 * Loads a part of the app (a dynamic import), and tries again until that succeeds. The service worker stores all parts
 * soon after the first visit, but before that, the network may fail. `longest`: the maximum pause between two attempts,
 * in milliseconds. It doubles up to that, and is always 1500 ms by default.
 */
export async function loadWithRetry<T>(load: () => Promise<T>, longest = PAUSE_MS): Promise<T> {
  for (let pause = PAUSE_MS; ; pause = Math.min(pause * 2, longest)) {
    try {
      return await load()
    } catch (error) {
      console.warn(error)
      await new Promise((done) => setTimeout(done, pause))
    }
  }
}
