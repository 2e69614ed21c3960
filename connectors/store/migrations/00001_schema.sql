-- +goose Up

-- Roles belong to the whole server, so they may be there already. The login role
-- inherits nothing and owns nothing: each transaction says whose part it plays.
-- +goose StatementBegin
do $$
declare r text;
begin
  perform pg_advisory_xact_lock(7234987120);
  foreach r in array array['caselink_gp', 'caselink_app', 'caselink_courier', 'caselink_sealer', 'caselink_auditor'] loop
    if not exists (select from pg_roles where rolname = r) then
      execute format('create role %I nologin noinherit', r);
    end if;
  end loop;
  if not exists (select from pg_roles where rolname = 'caselink') then
    create role caselink login noinherit;
  end if;
  -- Repeating a grant rewrites the shared catalogue for nothing, so it is made once.
  foreach r in array array['caselink_gp', 'caselink_app', 'caselink_courier', 'caselink_sealer', 'caselink_auditor'] loop
    if not pg_has_role('caselink', r, 'member') then
      execute format('grant %I to caselink', r);
    end if;
  end loop;
end $$;
-- +goose StatementEnd

-- A referral pays for every index, foreign key and CHECK (which PostgreSQL reads anew
-- for each statement), together a third of its commit. What names a referral and its
-- case refer to it by key; that the other rows do, caselink fsck checks.

create schema caselink;
revoke all on schema caselink from public;
grant usage on schema caselink to caselink, caselink_gp, caselink_app, caselink_courier, caselink_sealer, caselink_auditor;

-- A referral: the root that its other rows belong to, and the lock that orders them.
create table caselink.referrals (
  holder         text        not null,
  id             uuid        not null,
  service        text,
  practice       text,
  seq            int         not null,
  digest         bytea       not null,
  correlation_id text        not null,
  received_at    timestamptz not null,
  primary key (holder, id)
) with (fillfactor = 80);

-- The names by which the sender knows a referral. They never expire.
create table caselink.identities (
  holder   text not null,
  kind     text not null,
  system   text not null,
  value    text not null,
  referral uuid not null,
  primary key (holder, kind, system, value),
  foreign key (holder, referral) references caselink.referrals
);

-- What arrived, byte for byte.
create table caselink.originals (
  holder      text        not null,
  referral    uuid        not null,
  request_id  text        not null,
  media_type  text        not null,
  body        bytea       not null,
  received_at timestamptz not null,
  primary key (holder, referral, received_at)
) with (toast_tuple_target = 8160);
alter table caselink.originals alter column body set storage external;

-- Every version of every resource, as a read returns it.
create table caselink.versions (
  holder       text        not null,
  type         text        not null,
  id           uuid        not null,
  version      int         not null,
  referral     uuid        not null,
  service      text,
  last_updated timestamptz not null,
  content      bytea       not null,
  primary key (holder, type, id, version)
) with (toast_tuple_target = 8160);
alter table caselink.versions alter column content set storage external;

-- The case as its service works it.
create table caselink.cases (
  holder      text        not null,
  id          uuid        not null,
  referral    uuid        not null,
  task        uuid        not null,
  task_version int        not null,
  service     text,
  status      text        not null,
  needs       text[]      not null,
  received_at timestamptz not null,
  updated_at  timestamptz not null,
  doc         bytea       not null,
  primary key (holder, referral), -- a referral is one case
  foreign key (holder, referral) references caselink.referrals
) with (fillfactor = 70, toast_tuple_target = 8160);
alter table caselink.cases alter column doc set storage external;
create index cases_id on caselink.cases (id);
create index cases_worklist on caselink.cases (service, received_at desc, id desc);

-- What happened. The number within the referral has no gaps; the position in the
-- feed is given after the commit. id is drawn under the referral's lock, so it
-- rises within a referral.
create table caselink.events (
  id          bigint      generated always as identity,
  holder      text        not null,
  referral    uuid        not null,
  seq         int         not null,
  case_id     uuid        not null,
  service     text,
  kind        text        not null,
  from_status text,
  to_status   text        not null,
  reason_code text,
  reason_text text,
  actor       jsonb       not null,
  outcome_id  uuid,
  occurred_at timestamptz not null,
  request_id  text        not null,
  position    bigint,
  primary key (holder, referral, seq)
);
create index events_unsealed on caselink.events (id) where position is null;
create index events_feed on caselink.events (service, position) where position is not null;

-- Who touched what. The AuditEvent resource is built when it is read.
create table caselink.audit (
  id             bigint      generated always as identity,
  at             timestamptz not null,
  holder         text        not null,
  service        text,
  role           text        not null,
  client         text        not null,
  user_id        text        not null,
  user_name      text        not null,
  user_role      text        not null,
  organisation   text        not null,
  action         text        not null, -- C, R, U, D or E
  resource_type  text        not null,
  resource_id    uuid,
  referral       uuid,
  request_id     text        not null,
  correlation_id text        not null,
  position       bigint,
  hash           bytea
);
create index audit_unsealed on caselink.audit (id) where position is null;
create unique index audit_position on caselink.audit (position) where position is not null;

-- How far the sealer has numbered each feed.
create table caselink.heads (
  name     text        primary key,
  position bigint      not null,
  hash     bytea       not null,
  at       timestamptz not null
);
insert into caselink.heads values ('events', 0, '', now()), ('audit', 0, '', now());

-- A lane: what one destination is owed of one referral, in order. No patient data.
create table caselink.lanes (
  holder      text        not null,
  referral    uuid        not null,
  destination text        not null,
  service     text,
  last        bigint      not null,
  done        bigint      not null default 0,
  fence       bigint      not null default 0,
  attempt     int         not null default 0,
  next_at     timestamptz not null,
  parked      boolean     not null default false,
  withhold    boolean     not null default false, -- the person does not agree to share back
  claimer     int,                                -- the process that has leased it
  primary key (holder, referral, destination)
) with (fillfactor = 70);
create index lanes_leased on caselink.lanes (claimer) where claimer is not null;
create index lanes_due on caselink.lanes (destination, next_at) where done < last and not parked;

-- One item of a lane. It names the version to send; the bytes stay in versions.
create table caselink.owed (
  holder         text        not null,
  referral       uuid        not null,
  destination    text        not null,
  n              bigint      not null,
  service        text,
  seq            int         not null,
  event_id       uuid        not null,
  request_id     uuid        not null,
  correlation_id text        not null,
  type           text        not null,
  id             uuid        not null,
  version        int         not null,
  owed_since     timestamptz not null,
  first_attempt  timestamptz,
  state          text        not null default 'owed'
                 check (state in ('owed', 'parked', 'acknowledged', 'superseded', 'withheld')),
  reason         text        not null default '',
  status         int         not null default 0,
  etag           text        not null default '',
  settled_at     timestamptz,
  primary key (holder, referral, destination, n)
);

-- Each attempt and what came of it; never a body.
create table caselink.attempts (
  holder      text        not null,
  referral    uuid        not null,
  destination text        not null,
  n           bigint      not null,
  fence       bigint      not null,
  at          timestamptz not null,
  verdict     text        not null,
  status      int         not null,
  reason      text        not null,
  primary key (holder, referral, destination, n, fence)
);

-- Row-level security, forced. One policy per role and table; a role without one sees
-- nothing. A practice is its rows' holder; an app works its services' rows; the
-- courier takes one holder at a time where there are bodies.
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['referrals', 'identities', 'originals', 'versions', 'cases', 'events', 'audit', 'heads', 'lanes', 'owed', 'attempts'] loop
    execute format('alter table caselink.%I enable row level security', t);
    execute format('alter table caselink.%I force row level security', t);
  end loop;
  foreach t in array array['referrals', 'identities', 'originals', 'versions', 'cases', 'events', 'audit', 'lanes', 'owed'] loop
    execute format($p$create policy gp on caselink.%I to caselink_gp
      using (holder = current_setting('caselink.holder', true))
      with check (holder = current_setting('caselink.holder', true))$p$, t);
  end loop;
  foreach t in array array['referrals', 'versions', 'cases', 'events', 'audit', 'lanes', 'owed'] loop
    execute format($p$create policy app on caselink.%I to caselink_app
      using (service = any (string_to_array(current_setting('caselink.services', true), ',')))
      with check (service = any (string_to_array(current_setting('caselink.services', true), ',')))$p$, t);
  end loop;
  foreach t in array array['lanes', 'owed', 'attempts'] loop
    execute format('create policy courier on caselink.%I to caselink_courier using (true) with check (true)', t);
    execute format('create policy auditor on caselink.%I to caselink_auditor using (true) with check (true)', t);
  end loop;
  foreach t in array array['events', 'audit', 'heads'] loop
    execute format('create policy sealer on caselink.%I to caselink_sealer using (true) with check (true)', t);
  end loop;
  foreach t in array array['referrals', 'identities', 'originals', 'versions', 'cases', 'events', 'audit', 'heads'] loop
    execute format('create policy auditor on caselink.%I to caselink_auditor using (true)', t);
  end loop;
end $$;
-- +goose StatementEnd
create policy courier on caselink.versions to caselink_courier
  using (holder = current_setting('caselink.holder', true));

-- What each role may do at all. Versions, events, originals and audit are only ever added.
grant select, insert on caselink.identities, caselink.originals, caselink.versions, caselink.events, caselink.owed to caselink_gp;
grant select, insert, update on caselink.referrals, caselink.cases, caselink.lanes to caselink_gp;
grant insert on caselink.audit to caselink_gp, caselink_app;
grant select, insert on caselink.versions, caselink.events, caselink.owed to caselink_app;
grant select, update on caselink.referrals, caselink.cases to caselink_app;
grant select, insert, update on caselink.lanes to caselink_app;
grant select, update on caselink.lanes, caselink.owed to caselink_courier;
grant insert on caselink.attempts to caselink_courier;
grant select on caselink.versions to caselink_courier;
grant select (id, holder, referral, seq, occurred_at, position), update (position) on caselink.events to caselink_sealer;
grant select, update (position, hash) on caselink.audit to caselink_sealer;
grant select, update on caselink.heads to caselink_sealer;
grant select, update on caselink.lanes, caselink.owed to caselink_auditor;
grant select on caselink.attempts, caselink.audit, caselink.heads to caselink_auditor;
grant insert on caselink.audit to caselink_auditor; -- of what an operator does to the ledger
-- The auditor counts and compares; what is said about a person it cannot read.
grant select (holder, id, service, practice, seq, received_at) on caselink.referrals to caselink_auditor;
grant select (holder, kind, referral) on caselink.identities to caselink_auditor;
grant select (holder, referral, received_at) on caselink.originals to caselink_auditor;
grant select (holder, type, id, version, referral, service) on caselink.versions to caselink_auditor;
grant select (holder, id, referral, task, task_version, service, status, received_at, updated_at) on caselink.cases to caselink_auditor;
grant select (id, holder, referral, seq, case_id, service, kind, from_status, to_status, occurred_at, position) on caselink.events to caselink_auditor;
