/*
 * Requests of dcmjs-dimse's client, as its README makes them.
 *
 * node dimse.js '{"port": 11112, "called": "MINIPACS", "calling": "DCMJS", "requests": [...]}'
 *
 * prints a line of JSON at its end: what came back to each request.
 */
'use strict';

const path = require('path');
const dimse = require('dcmjs-dimse');

const { Client, Scp, Server, Transcoding, requests, responses, constants, log } = dimse;
const { PresentationContextResult, Status } = constants;

log.setLevel('error');

const make = {
  echo: () => new requests.CEchoRequest(),
  find: (asked) => requests.CFindRequest[`create${asked.level}FindRequest`](asked.keys),
  store: (asked) => new requests.CStoreRequest(asked.file),
  get: (asked) => requests.CGetRequest[`create${asked.level}GetRequest`](...asked.uids),
  move: (asked) =>
    requests.CMoveRequest[`create${asked.level}MoveRequest`](asked.destination, ...asked.uids),
};

function save(request, folder) {
  request.getDataset().toFile(path.join(folder, `${request.getAffectedSopInstanceUid()}.dcm`));
  const response = responses.CStoreResponse.fromRequest(request);
  response.setStatus(Status.Success);
  return response;
}

function send(asked, { port, called, calling }) {
  return new Promise((resolve, reject) => {
    const client = new Client();
    const request = make[asked.kind](asked);
    const came = [];
    request.on('response', (response) => {
      const elements = response.hasDataset() ? response.getDataset().getElements() : null;
      came.push({ status: response.getStatus(), elements });
    });
    client.on('cStoreRequest', (store, callback) => callback(save(store, asked.folder)));
    client.on('networkError', reject);
    client.on('associationRejected', () => reject(new Error('the association is rejected')));
    client.on('closed', () => resolve(came));
    client.addRequest(request);
    client.send('127.0.0.1', port, calling, called);
  });
}

/* A storage SCP that takes every class, not the library's alone, in the first syntax proposed. */
function listen({ port, folder }) {
  class Destination extends Scp {
    associationRequested(association) {
      for (const { id } of association.getPresentationContexts()) {
        const context = association.getPresentationContext(id);
        context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
      }
      this.sendAssociationAccept();
    }

    cStoreRequest(request, callback) {
      callback(save(request, folder));
    }

    associationReleaseRequested() {
      this.sendAssociationReleaseResponse();
    }
  }
  const server = new Server(Destination);
  server.listen(port);
}

async function main() {
  const asked = JSON.parse(process.argv[2]);
  await Transcoding.initializeAsync();
  if (asked.destination) {
    listen(asked.destination);
  }
  const came = [];
  for (const request of asked.requests) {
    came.push(await send(request, asked));
  }
  process.stdout.write(`\n${JSON.stringify(came)}\n`, () => process.exit(0));
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`, () => process.exit(1));
});
