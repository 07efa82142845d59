// Uploads a file with tus-js-client; `abortAfter` parts, it stops as if the tab were closed.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../interop/package.json', import.meta.url));
const tus = require('tus-js-client');
const { url, headers, file, chunkSize, abortAfter } = JSON.parse(process.argv[2]);
let parts = 0;
const upload = new tus.Upload(readFileSync(file), {
  uploadUrl: url,
  headers,
  chunkSize,
  retryDelays: [100, 300],
  onChunkComplete: async () => {
    parts += 1;
    if (abortAfter && parts >= abortAfter) {
      await upload.abort();
      console.log(JSON.stringify({ parts }));
      process.exit(0);
    }
  },
  onError: (error) => {
    console.log(JSON.stringify({ error: String(error) }));
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify({ parts, done: true })),
});
upload.start();
