/*
 * Calls of npm's dicomweb-client, over xhr2, as its README makes them.
 *
 * node dicomweb.js '{"url": "http://...", "calls": [{"method": "searchForStudies", "options": {}}]}'
 *
 * prints a line of JSON at its end: what came back from each call, bytes in base64, or its error.
 */
'use strict';

const fs = require('fs');

global.XMLHttpRequest = require('xhr2');
const { api } = require('dicomweb-client');

const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

function shown(value) {
  if (isBytes(value)) {
    return { bytes: Buffer.from(value).toString('base64') };
  }
  if (typeof Blob !== 'undefined' && value instanceof Blob) {
    throw new Error('a blob, where bytes were asked for');
  }
  return Array.isArray(value) ? value.map(shown) : value;
}

function arrayBuffer(path) {
  const { buffer, byteOffset, byteLength } = fs.readFileSync(path);
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

async function call(url, { method, options = {}, files, client = {} }) {
  const asked = files ? { ...options, datasets: files.map(arrayBuffer) } : options;
  try {
    return { came: shown(await new api.DICOMwebClient({ url, ...client })[method](asked)) };
  } catch (error) {
    return { status: error.status || null, error: error.message };
  }
}

(async () => {
  const { url, calls } = JSON.parse(process.argv[2]);
  const answers = [];
  for (const one of calls) {
    answers.push(await call(url, one));
  }
  console.log(JSON.stringify(answers));
})();
