const PAUSE_MS = 1500

/**
 * A part of the app that is loaded when it is needed. Everything is kept in the browser soon after the first visit; before,
 * a network that goes in the wrong moment would leave the screen without it, so it is tried until it is there.
 * `longest`: the pauses grow so far, for what nobody waits for.
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
