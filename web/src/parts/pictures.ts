/** Addresses of pictures that are in the local storage; each is made once. */
import type { Picture } from '../local/types'

const urls = new Map<string, string>()
const MOST = 500

export function pictureUrl(picture: Picture): string {
  let url = urls.get(picture.hash)
  if (url === undefined) {
    const oldest = urls.size >= MOST ? urls.entries().next().value : undefined
    if (oldest !== undefined) {
      urls.delete(oldest[0])
      URL.revokeObjectURL(oldest[1])
    }
    url = URL.createObjectURL(picture.data)
    urls.set(picture.hash, url)
  }
  return url
}
