// The services of an onboarding: identities, companies, invitations, accounts, mails.

const { Router } = require('express');
const { Refused, add, ledger, once, put } = require('./once');

const COMPANIES = { 4711: 'Harbour Tools Ltd', 4712: 'North Light AG' };
const INVITATIONS = new Set(['friend-1', 'friend-2', 'friend-3']);
const used = new Set();

const onboarding = Router();

onboarding.post('/identities', once(({ body }) => {
  if (body.email.startsWith('nobody')) throw new Refused(409, 'the passport does not fit');
  return [201, add('identity', { email: body.email, state: 'checked' })];
}));
onboarding.delete('/identities/:id', put('identity', 'deleted'));

onboarding.get('/companies/:number', ({ params }, response) => {
  const name = COMPANIES[params.number];
  return name ? response.json({ name }) : response.status(404).json({ detail: 'no such company' });
});

onboarding.put('/invitations/:code/used', once(({ params: { code } }) => {
  if (!INVITATIONS.has(code)) throw new Refused(404, 'no such invitation');
  if (used.has(code)) throw new Refused(409, 'the invitation was used before');
  used.add(code);
  return [204];
}));
onboarding.delete('/invitations/:code/used', once(({ params: { code } }) => [used.delete(code) ? 204 : 404]));
onboarding.get('/invitations/:code', ({ params: { code } }, response) => response.json({ used: used.has(code) }));

onboarding.post('/accounts', once(({ body: { email, name } }) => {
  const taken = ledger.some((entry) => entry.kind === 'account' && entry.email === email && entry.state === 'open');
  if (taken) throw new Refused(409, 'there is an account with this address');
  return [201, add('account', { email, name, state: 'open' })];
}));
onboarding.delete('/accounts/:id', put('account', 'closed'));

onboarding.post('/mails', once(({ body: { to, text } }) => {
  if (to.endsWith('.invalid')) throw new Refused(422, 'mail cannot be sent there');
  return [201, add('mail', { email: to, text, state: 'sent' })];
}));
onboarding.delete('/mails/:id', put('mail', 'taken back'));

module.exports = onboarding;
