/** Opens a picture. Runs in the worker. */
import { imageHeader } from '../local/image-header'
import { NoPicture } from './no-picture'

/** `type`: that of the bytes, whatever somebody says of them. Who gets it closes the picture. Throws NoPicture. */
export async function openPicture(file: Blob): Promise<{ type: string; picture: ImageBitmap }> {
  const header = await imageHeader(file)
  if (!header) throw new NoPicture()
  const { type } = header
  try {
    return { type, picture: await createImageBitmap(file.slice(0, file.size, type)) }
  } catch {
    throw new NoPicture()
  }
}
