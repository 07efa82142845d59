const PAUSE_MS = 1500

/**
 * A part of the app that is loaded when it is needed. Everything is kept in the browser soon after the first visit; before,
 * a network that goes in the wrong moment would leave the screen without it, so it is tried until it is there.
 */
export async function arriving<T>(load: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await load()
    } catch (error) {
      console.warn(error)
      await new Promise((done) => setTimeout(done, PAUSE_MS))
    }
  }
}
