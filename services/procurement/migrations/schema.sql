ALTER SCHEMA public OWNER TO procurement_owner;

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';

CREATE FUNCTION public.guard_state() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  before text := to_jsonb(old) ->> tg_argv[0];
  after text := to_jsonb(new) ->> tg_argv[0];
begin
  if before is distinct from after and not exists (
    select 1 from allowed_transition
    where table_name = tg_table_name and from_state = before and to_state = after
  ) then
    raise exception '%: % may not become %', tg_table_name, before, after
      using errcode = '23514', constraint = 'allowed_transition', table = tg_table_name;
  end if;
  return new;
end $$;

ALTER FUNCTION public.guard_state() OWNER TO procurement_owner;

CREATE FUNCTION public.make_partitions(days integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  today date := (now() at time zone 'utc')::date;
  day date;
  from_time timestamptz;
  to_time timestamptz;
begin
  for i in 0 .. days loop
    day := today + i;
    from_time := day::timestamp at time zone 'utc';
    to_time := (day + 1)::timestamp at time zone 'utc';
    if to_regclass(format('outbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table outbox_p%s partition of outbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), from_time, to_time);
    end if;
    if to_regclass(format('inbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table inbox_p%s partition of inbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), uuid_floor(from_time), uuid_floor(to_time));
    end if;
  end loop;
end $$;

ALTER FUNCTION public.make_partitions(days integer) OWNER TO procurement_owner;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

ALTER FUNCTION public.refuse_change() OWNER TO procurement_owner;

CREATE FUNCTION public.uuid_floor(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

ALTER FUNCTION public.uuid_floor(at timestamp with time zone) OWNER TO procurement_owner;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

ALTER TABLE public.alembic_version OWNER TO procurement_owner;

CREATE TABLE public.allowed_transition (
    table_name text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL
);

ALTER TABLE public.allowed_transition OWNER TO procurement_owner;

CREATE TABLE public.applied (
    consumer text NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL
);

ALTER TABLE public.applied OWNER TO procurement_owner;

CREATE TABLE public.audit (
    id uuid DEFAULT uuidv7() NOT NULL,
    pos bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    device text,
    on_behalf_of text,
    roles text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    version bigint NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    request_id uuid,
    correlation text,
    ip text,
    signature jsonb
);

ALTER TABLE public.audit OWNER TO procurement_owner;

ALTER TABLE public.audit ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.caught_up (
    consumer text NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE public.caught_up OWNER TO procurement_owner;

CREATE TABLE public.consumer_position (
    consumer text NOT NULL,
    stream text NOT NULL,
    stream_seq bigint NOT NULL,
    stream_created timestamp with time zone
);

ALTER TABLE public.consumer_position OWNER TO procurement_owner;

CREATE TABLE public.dead_letter (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    class text NOT NULL,
    reason text NOT NULL,
    stack_hash text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    attempts integer NOT NULL,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    parked_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'PARKED'::text NOT NULL,
    decided_by text,
    decision_reason text,
    decided_at timestamp with time zone,
    CONSTRAINT ck_dead_letter_state CHECK ((state = ANY (ARRAY['PARKED'::text, 'REPLAYED'::text, 'DISCARDED'::text])))
);

ALTER TABLE public.dead_letter OWNER TO procurement_owner;

CREATE SEQUENCE public.document_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.document_number OWNER TO procurement_owner;

CREATE TABLE public.idempotency (
    principal text NOT NULL,
    method text NOT NULL,
    request_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    hash_version integer NOT NULL,
    status_code integer,
    answer bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE public.idempotency OWNER TO procurement_owner;

CREATE TABLE public.inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (event_id);

ALTER TABLE public.inbox OWNER TO procurement_owner;

CREATE TABLE public.item_fact (
    name text NOT NULL,
    number text NOT NULL,
    title text NOT NULL,
    base_unit_code text NOT NULL,
    base_step numeric(20,6) NOT NULL,
    conversions jsonb NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.item_fact OWNER TO procurement_owner;

CREATE TABLE public.job_run (
    job text NOT NULL,
    holder text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    failed text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.job_run OWNER TO procurement_owner;

CREATE TABLE public.journal (
    pos bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    resource text NOT NULL,
    version bigint NOT NULL,
    actor text NOT NULL,
    correlation text NOT NULL,
    causation uuid,
    occurred_at timestamp with time zone NOT NULL
);

ALTER TABLE public.journal OWNER TO procurement_owner;

ALTER TABLE public.journal ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.journal_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox (
    pos bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    event_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    aggregate_version bigint NOT NULL,
    site text NOT NULL,
    correlation text NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_outbox_payload CHECK ((octet_length(payload) <= 921600))
)
PARTITION BY RANGE (recorded_at);

ALTER TABLE public.outbox OWNER TO procurement_owner;

ALTER TABLE public.outbox ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.principal_grant (
    principal text NOT NULL,
    role text NOT NULL,
    site text NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone
);

ALTER TABLE public.principal_grant OWNER TO procurement_owner;

CREATE TABLE public.principal_state (
    principal text NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.principal_state OWNER TO procurement_owner;

CREATE TABLE public.procurement_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    active_revision text NOT NULL
);

ALTER TABLE public.procurement_policy OWNER TO procurement_owner;

CREATE TABLE public.procurement_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    state text NOT NULL,
    content_hash text NOT NULL,
    author text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone,
    effective_time timestamp with time zone,
    policy text NOT NULL,
    choice text NOT NULL,
    requisition_tiers jsonb NOT NULL,
    order_tiers jsonb NOT NULL,
    ceiling numeric(24,9),
    ceiling_currency_code text NOT NULL
);

ALTER TABLE public.procurement_revision OWNER TO procurement_owner;

CREATE TABLE public.purchase_order (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    supplier text NOT NULL,
    currency_code text NOT NULL,
    state text NOT NULL,
    revision integer NOT NULL,
    content_hash text NOT NULL,
    requester text NOT NULL,
    author text NOT NULL,
    authors text[] NOT NULL,
    approver text NOT NULL,
    approver_for text NOT NULL,
    approve_time timestamp with time zone,
    level integer NOT NULL,
    automatic boolean NOT NULL,
    decide_time timestamp with time zone,
    issue_time timestamp with time zone,
    channel text NOT NULL,
    net numeric(24,9) NOT NULL,
    explanation text[] NOT NULL,
    chains text[] NOT NULL,
    CONSTRAINT ck_purchase_order_duties CHECK (((approver = ''::text) OR (NOT ((approver = ANY (authors)) OR (approver_for = ANY (authors))))))
);

ALTER TABLE public.purchase_order OWNER TO procurement_owner;

CREATE TABLE public.purchase_order_line (
    purchase_order text NOT NULL,
    line integer NOT NULL,
    item text NOT NULL,
    supplier_item text NOT NULL,
    part_number text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    received numeric(20,6) NOT NULL,
    accepted numeric(20,6) NOT NULL,
    rejected numeric(20,6) NOT NULL,
    short_closed numeric(20,6) NOT NULL,
    base_numerator integer NOT NULL,
    base_denominator integer NOT NULL,
    unit_price numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    price_base_quantity numeric(20,6) NOT NULL,
    net numeric(24,9) NOT NULL,
    delivery_location text NOT NULL,
    requested_date date,
    expected_date date,
    over_percent numeric(20,6) NOT NULL,
    accept_limit numeric(20,6) NOT NULL,
    references_ jsonb NOT NULL,
    CONSTRAINT ck_purchase_order_line_quantities CHECK (((quantity > (0)::numeric) AND (received >= (0)::numeric) AND (accepted >= (0)::numeric) AND (rejected >= (0)::numeric) AND (short_closed >= (0)::numeric)))
);

ALTER TABLE public.purchase_order_line OWNER TO procurement_owner;

CREATE TABLE public.purchase_order_revision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    purchase_order text NOT NULL,
    revision integer NOT NULL,
    content jsonb NOT NULL,
    content_hash text NOT NULL,
    approver text NOT NULL,
    approve_time timestamp with time zone NOT NULL
);

ALTER TABLE public.purchase_order_revision OWNER TO procurement_owner;

CREATE TABLE public.receipt_seen (
    receipt text NOT NULL,
    receipt_line integer NOT NULL,
    purchase_order text NOT NULL,
    line integer NOT NULL,
    quantity numeric(20,6) NOT NULL,
    base_quantity numeric(20,6) NOT NULL,
    accepted numeric(20,6) NOT NULL,
    rejected numeric(20,6) NOT NULL
);

ALTER TABLE public.receipt_seen OWNER TO procurement_owner;

CREATE TABLE public.relay_lease (
    shard integer NOT NULL,
    pid integer NOT NULL,
    pod text NOT NULL,
    beat_at timestamp with time zone NOT NULL
);

ALTER TABLE public.relay_lease OWNER TO procurement_owner;

CREATE TABLE public.relay_position (
    shard integer NOT NULL,
    stored xid8 NOT NULL,
    window_end xid8,
    window_pos bigint DEFAULT '-1'::integer NOT NULL,
    stream_created timestamp with time zone,
    stream_seq bigint DEFAULT 0 NOT NULL
);

ALTER TABLE public.relay_position OWNER TO procurement_owner;

CREATE TABLE public.replay_request (
    number bigint NOT NULL,
    since timestamp with time zone,
    until timestamp with time zone,
    event_types text[],
    positions bigint[],
    aggregate text,
    from_version bigint,
    to_version bigint,
    requested_by text NOT NULL,
    reason text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    published bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT ck_replay_request_scope CHECK ((num_nonnulls(since, positions, aggregate) = 1))
);

ALTER TABLE public.replay_request OWNER TO procurement_owner;

ALTER TABLE public.replay_request ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.replay_request_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.requisition (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    needed numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    need_date date,
    delivery_location text NOT NULL,
    reason text NOT NULL,
    source_kind text NOT NULL,
    source text NOT NULL,
    source_version integer NOT NULL,
    work_order text NOT NULL,
    demand text NOT NULL,
    demand_version integer NOT NULL,
    requester text NOT NULL,
    approver text NOT NULL,
    approver_for text NOT NULL,
    approve_time timestamp with time zone,
    level integer NOT NULL,
    automatic boolean NOT NULL,
    decision_reason text NOT NULL,
    supplier text NOT NULL,
    supplier_item text NOT NULL,
    estimate numeric(24,9),
    estimate_currency_code text NOT NULL,
    expected_date date,
    explanation text[] NOT NULL,
    purchase_order text NOT NULL,
    state text NOT NULL,
    CONSTRAINT ck_requisition_duties CHECK (((approver = ''::text) OR ((approver <> requester) AND (approver_for <> requester)))),
    CONSTRAINT ck_requisition_quantity CHECK (((quantity > (0)::numeric) AND (needed >= (0)::numeric) AND (needed <= quantity)))
);

ALTER TABLE public.requisition OWNER TO procurement_owner;

CREATE TABLE public.site_fact (
    name text NOT NULL,
    time_zone text NOT NULL,
    currency_code text NOT NULL
);

ALTER TABLE public.site_fact OWNER TO procurement_owner;

CREATE TABLE public.supplier (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    title text NOT NULL,
    currency_code text NOT NULL,
    country_code text NOT NULL,
    email text NOT NULL,
    state text NOT NULL,
    author text NOT NULL,
    authors text[] NOT NULL,
    approver text NOT NULL
);

ALTER TABLE public.supplier OWNER TO procurement_owner;

CREATE TABLE public.supplier_item (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    supplier text NOT NULL,
    item text NOT NULL,
    part_number text NOT NULL,
    unit_code text NOT NULL,
    base_numerator integer NOT NULL,
    base_denominator integer NOT NULL,
    minimum_quantity numeric(20,6),
    multiple numeric(20,6),
    price_base_quantity numeric(20,6),
    prices jsonb NOT NULL,
    lead_days integer NOT NULL,
    rank integer NOT NULL,
    over_percent numeric(20,6)
);

ALTER TABLE public.supplier_item OWNER TO procurement_owner;

CREATE TABLE public.waiting_event (
    consumer text NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.waiting_event OWNER TO procurement_owner;

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.allowed_transition
    ADD CONSTRAINT pk_allowed_transition PRIMARY KEY (table_name, from_state, to_state);

ALTER TABLE ONLY public.applied
    ADD CONSTRAINT pk_applied PRIMARY KEY (consumer, aggregate);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (pos);

ALTER TABLE ONLY public.caught_up
    ADD CONSTRAINT pk_caught_up PRIMARY KEY (consumer);

ALTER TABLE ONLY public.consumer_position
    ADD CONSTRAINT pk_consumer_position PRIMARY KEY (consumer, stream);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT pk_dead_letter PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT pk_idempotency PRIMARY KEY (principal, method, request_id);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.item_fact
    ADD CONSTRAINT pk_item_fact PRIMARY KEY (name);

ALTER TABLE ONLY public.job_run
    ADD CONSTRAINT pk_job_run PRIMARY KEY (job);

ALTER TABLE ONLY public.journal
    ADD CONSTRAINT pk_journal PRIMARY KEY (pos);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (pos, recorded_at);

ALTER TABLE ONLY public.principal_grant
    ADD CONSTRAINT pk_principal_grant PRIMARY KEY (principal, role, site, from_time);

ALTER TABLE ONLY public.principal_state
    ADD CONSTRAINT pk_principal_state PRIMARY KEY (principal);

ALTER TABLE ONLY public.procurement_policy
    ADD CONSTRAINT pk_procurement_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.procurement_revision
    ADD CONSTRAINT pk_procurement_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.purchase_order
    ADD CONSTRAINT pk_purchase_order PRIMARY KEY (name);

ALTER TABLE ONLY public.purchase_order_line
    ADD CONSTRAINT pk_purchase_order_line PRIMARY KEY (purchase_order, line);

ALTER TABLE ONLY public.purchase_order_revision
    ADD CONSTRAINT pk_purchase_order_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.receipt_seen
    ADD CONSTRAINT pk_receipt_seen PRIMARY KEY (receipt, receipt_line);

ALTER TABLE ONLY public.relay_lease
    ADD CONSTRAINT pk_relay_lease PRIMARY KEY (shard);

ALTER TABLE ONLY public.relay_position
    ADD CONSTRAINT pk_relay_position PRIMARY KEY (shard);

ALTER TABLE ONLY public.replay_request
    ADD CONSTRAINT pk_replay_request PRIMARY KEY (number);

ALTER TABLE ONLY public.requisition
    ADD CONSTRAINT pk_requisition PRIMARY KEY (name);

ALTER TABLE ONLY public.site_fact
    ADD CONSTRAINT pk_site_fact PRIMARY KEY (name);

ALTER TABLE ONLY public.supplier
    ADD CONSTRAINT pk_supplier PRIMARY KEY (name);

ALTER TABLE ONLY public.supplier_item
    ADD CONSTRAINT pk_supplier_item PRIMARY KEY (name);

ALTER TABLE ONLY public.waiting_event
    ADD CONSTRAINT pk_waiting_event PRIMARY KEY (consumer, aggregate, version);

CREATE INDEX ix_audit_object ON public.audit USING btree (object, pos);

CREATE INDEX ix_dead_letter_open ON public.dead_letter USING btree (consumer, aggregate) WHERE (state = 'PARKED'::text);

CREATE INDEX ix_idempotency_expires_at ON public.idempotency USING btree (expires_at);

CREATE INDEX ix_journal_correlation ON public.journal USING btree (correlation, pos);

CREATE INDEX ix_outbox_aggregate ON ONLY public.outbox USING btree (aggregate_id, pos);

CREATE INDEX ix_outbox_xid ON ONLY public.outbox USING btree (xid);

CREATE INDEX ix_procurement_revision_policy ON public.procurement_revision USING btree (policy);

CREATE INDEX ix_purchase_order_revision_purchase_order ON public.purchase_order_revision USING btree (purchase_order);

CREATE INDEX ix_purchase_order_site ON public.purchase_order USING btree (site, name);

CREATE INDEX ix_purchase_order_state ON public.purchase_order USING btree (site, state, name);

CREATE INDEX ix_purchase_order_supplier ON public.purchase_order USING btree (supplier, decide_time);

CREATE INDEX ix_receipt_seen_purchase_order ON public.receipt_seen USING btree (purchase_order, line);

CREATE INDEX ix_replay_request_open ON public.replay_request USING btree (number) WHERE (finished_at IS NULL);

CREATE INDEX ix_requisition_site ON public.requisition USING btree (site, name);

CREATE INDEX ix_requisition_source ON public.requisition USING btree (source_kind, source) WHERE (source <> ''::text);

CREATE INDEX ix_requisition_state ON public.requisition USING btree (site, state, name);

CREATE INDEX ix_requisition_supplier ON public.requisition USING btree (supplier, approve_time);

CREATE INDEX ix_requisition_work_order ON public.requisition USING btree (work_order);

CREATE INDEX ix_supplier_item_item ON public.supplier_item USING btree (item);

CREATE UNIQUE INDEX uq_procurement_policy ON public.procurement_policy USING btree (kind, site) NULLS NOT DISTINCT;

CREATE UNIQUE INDEX uq_procurement_revision_active ON public.procurement_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_purchase_order_number ON public.purchase_order USING btree (site, number);

CREATE UNIQUE INDEX uq_requisition_number ON public.requisition USING btree (site, number);

CREATE UNIQUE INDEX uq_requisition_source ON public.requisition USING btree (source_kind, source) WHERE ((source <> ''::text) AND (state = ANY (ARRAY['SUBMITTED'::text, 'APPROVED'::text])));

CREATE UNIQUE INDEX uq_supplier_item ON public.supplier_item USING btree (supplier, item, site) NULLS NOT DISTINCT;

CREATE UNIQUE INDEX uq_supplier_number ON public.supplier USING btree (number);

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER journal_append_only BEFORE DELETE OR UPDATE ON public.journal FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER outbox_append_only BEFORE DELETE OR UPDATE ON public.outbox FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER outbox_no_truncate BEFORE TRUNCATE ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER procurement_revision_states BEFORE UPDATE OF state ON public.procurement_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER purchase_order_revision_append_only BEFORE DELETE OR UPDATE ON public.purchase_order_revision FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER purchase_order_revision_no_truncate BEFORE TRUNCATE ON public.purchase_order_revision FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER purchase_order_states BEFORE UPDATE OF state ON public.purchase_order FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER requisition_states BEFORE UPDATE OF state ON public.requisition FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER supplier_states BEFORE UPDATE OF state ON public.supplier FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

ALTER TABLE ONLY public.purchase_order_line
    ADD CONSTRAINT fk_purchase_order_line_purchase_order FOREIGN KEY (purchase_order) REFERENCES public.purchase_order(name);

ALTER TABLE ONLY public.purchase_order_revision
    ADD CONSTRAINT fk_purchase_order_revision_purchase_order FOREIGN KEY (purchase_order) REFERENCES public.purchase_order(name);

ALTER TABLE ONLY public.purchase_order
    ADD CONSTRAINT fk_purchase_order_supplier FOREIGN KEY (supplier) REFERENCES public.supplier(name);

ALTER TABLE ONLY public.supplier_item
    ADD CONSTRAINT fk_supplier_item_supplier FOREIGN KEY (supplier) REFERENCES public.supplier(name);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO procurement_migrator;
GRANT USAGE ON SCHEMA public TO procurement_app;
GRANT USAGE ON SCHEMA public TO procurement_relay;

REVOKE ALL ON FUNCTION public.make_partitions(days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_partitions(days integer) TO procurement_app;

GRANT SELECT ON TABLE public.alembic_version TO procurement_app;
GRANT SELECT ON TABLE public.alembic_version TO procurement_migrator;

GRANT SELECT ON TABLE public.allowed_transition TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.applied TO procurement_app;

GRANT INSERT ON TABLE public.audit TO procurement_app;
GRANT SELECT ON TABLE public.audit TO procurement_relay;

GRANT SELECT,INSERT,UPDATE ON TABLE public.caught_up TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.consumer_position TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.dead_letter TO procurement_app;

GRANT USAGE ON SEQUENCE public.document_number TO procurement_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.inbox TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.item_fact TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.job_run TO procurement_app;

GRANT SELECT,INSERT ON TABLE public.journal TO procurement_app;

GRANT INSERT ON TABLE public.outbox TO procurement_app;
GRANT SELECT ON TABLE public.outbox TO procurement_relay;

GRANT SELECT(pos) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(xid) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(event_id) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(aggregate_type) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(aggregate_id) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(aggregate_version) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(site) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(correlation) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(payload) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(headers) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(occurred_at) ON TABLE public.outbox TO procurement_app;

GRANT SELECT(recorded_at) ON TABLE public.outbox TO procurement_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.principal_grant TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.principal_state TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.procurement_policy TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.procurement_revision TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.purchase_order TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.purchase_order_line TO procurement_app;

GRANT SELECT,INSERT ON TABLE public.purchase_order_revision TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.receipt_seen TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.relay_lease TO procurement_relay;

GRANT SELECT ON TABLE public.relay_position TO procurement_app;
GRANT SELECT,UPDATE ON TABLE public.relay_position TO procurement_relay;

GRANT SELECT,INSERT ON TABLE public.replay_request TO procurement_app;
GRANT SELECT,UPDATE ON TABLE public.replay_request TO procurement_relay;

GRANT SELECT,INSERT,UPDATE ON TABLE public.requisition TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.site_fact TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.supplier TO procurement_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.supplier_item TO procurement_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.waiting_event TO procurement_app;
