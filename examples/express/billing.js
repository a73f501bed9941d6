// Billing: subscriptions with a trial, and charges. Customers above 900 have no money.

const { Router } = require('express');
const { Refused, add, find, once, put } = require('./once');

const PRICES = { small: 9, large: 29 };

const billing = Router();

billing.post('/subscriptions', once(({ body }) => {
  const price = PRICES[body.plan];
  if (!price) throw new Refused(409, `there is no plan ${body.plan}`);
  return [201, add('subscription', { customer: body.customer, price, state: 'trial' })];
}));

billing.get('/subscriptions/:id', (request, response) => response.json(find('subscription', request.params.id)));

// What the customer does on the website during the trial.
billing.post('/subscriptions/:id/stop', (request, response) => {
  find('subscription', request.params.id).state = 'stopped';
  response.status(204).end();
});

billing.put('/subscriptions/:id/active', put('subscription', 'active'));
billing.delete('/subscriptions/:id/active', put('subscription', 'trial'));
billing.delete('/subscriptions/:id', put('subscription', 'removed'));

billing.post('/charges', once(({ body }) => {
  if (body.customer > 900) throw new Refused(402, 'the card was declined');
  return [201, add('charge', { customer: body.customer, amount: body.amount, state: 'paid' })];
}));
billing.delete('/charges/:id', put('charge', 'refunded'));

module.exports = billing;
