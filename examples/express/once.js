// The answer to each Idempotency-Key, in memory.
//
// A call that comes twice has one effect, and gets the same answer: the promise `safety: idempotent` in a saga's definition. It
// holds while the process runs. A service with a database writes the answer in the transaction of the effect, as
// `examples/fastapi/store.py` does.

const answers = new Map();

/** A call had no effect, and another attempt will not help. */
class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** A handler that does `work(request)`, which returns a status and a body, unless the key was answered before. */
function once(work) {
  return (request, response) => {
    const key = request.get('idempotency-key');
    if (!key) return response.status(400).json({ detail: 'Idempotency-Key is missing' });
    if (!answers.has(key)) {
      try {
        answers.set(key, work(request)); // `work` does not wait for anything, so no other call comes between
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        answers.set(key, [error.status, { detail: error.message }]);
      }
    }
    const [status, body] = answers.get(key);
    return body === undefined ? response.status(status).end() : response.status(status).json(body);
  };
}

/** The effects of all services, in the order in which they came about. */
const ledger = [];

function add(kind, fields) {
  const entry = { id: ledger.length + 1, kind, ...fields };
  ledger.push(entry);
  return entry;
}

function find(kind, id) {
  const entry = ledger.find((entry) => entry.kind === kind && entry.id === Number(id));
  if (!entry) throw new Refused(404, `there is no ${kind} ${id}`);
  return entry;
}

/** A handler that gives an entry another state: the compensation of `add`, for example. */
const put = (kind, state) => once((request) => {
  find(kind, request.params.id).state = state;
  return [204];
});

module.exports = { Refused, add, find, ledger, once, put };
