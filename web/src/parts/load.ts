const PAUSE_MS = 1500

/**
 * Loads a part of the app on demand, and repeats that until it works. The service worker has stored all parts soon
 * after the first visit, but before that, the network may fail. `longest`: the maximum pause in milliseconds, longer
 * for what nobody waits for.
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
