/** Saves a file outside of the app, where the browser puts downloads. It is never opened in the app's origin. */
import { cleanFileName } from '../local/file-names'

/** Milliseconds until the browser has certainly begun. */
const LASTS_MS = 60_000

export function saveFile(data: Blob, name: string): void {
  // Whatever somebody says that it is: as another type, a browser could open it as a page of the app
  const url = URL.createObjectURL(data.slice(0, data.size, 'application/octet-stream'))
  const link = document.createElement('a')
  link.href = url
  link.download = cleanFileName(name) || 'file'
  link.click()
  setTimeout(() => {
    URL.revokeObjectURL(url)
  }, LASTS_MS)
}
