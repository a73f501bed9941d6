// All services in one process, on this machine's own address. `GET /ledger` shows what they did. PORT is 8102 without another one.

const express = require('express');
const { Refused, ledger } = require('./once');

const app = express();
app.use(express.json());
app.use(require('./billing'));
app.use(require('./onboarding'));
app.get('/ledger', (request, response) => response.json(ledger));
// Express knows an error's handler by its four parameters.
app.use((error, request, response, next) => {
  if (!(error instanceof Refused)) return next(error);
  return response.status(error.status).json({ detail: error.message });
});

const server = app.listen(Number(process.env.PORT ?? 8102), '127.0.0.1', () => {
  console.log(`services listen on http://127.0.0.1:${server.address().port}`);
});
