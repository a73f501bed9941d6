// All services in one process, on this machine's own address. `GET /ledger` shows what they did. PORT is 8102 without another one.

const express = require('express');
const { Refused, ledger } = require('./once');
const { Unsigned, fromEnvironment } = require('./signed');

const { checkHead, checkBody } = fromEnvironment();

const app = express();
app.get('/ledger', (request, response) => response.json(ledger));
app.use(checkHead);
app.use(express.json({ verify: checkBody }));
app.use(require('./billing'));
app.use(require('./onboarding'));
// Express knows an error's handler by its four parameters.
app.use((error, request, response, next) => {
  if (!(error instanceof Refused || error instanceof Unsigned)) return next(error);
  return response.status(error.status).json({ detail: error.message });
});

const server = app.listen(Number(process.env.PORT ?? 8102), '127.0.0.1', () => {
  console.log(`services listen on http://127.0.0.1:${server.address().port}`);
});
