ALTER SCHEMA public OWNER TO maintenance_owner;

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

ALTER FUNCTION public.guard_state() OWNER TO maintenance_owner;

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

ALTER FUNCTION public.make_partitions(days integer) OWNER TO maintenance_owner;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

ALTER FUNCTION public.refuse_change() OWNER TO maintenance_owner;

CREATE FUNCTION public.uuid_floor(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

ALTER FUNCTION public.uuid_floor(at timestamp with time zone) OWNER TO maintenance_owner;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

ALTER TABLE public.alembic_version OWNER TO maintenance_owner;

CREATE TABLE public.allowed_transition (
    table_name text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL
);

ALTER TABLE public.allowed_transition OWNER TO maintenance_owner;

CREATE TABLE public.applied (
    consumer text NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL
);

ALTER TABLE public.applied OWNER TO maintenance_owner;

CREATE TABLE public.asset (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    title text NOT NULL,
    state text NOT NULL,
    criticality text NOT NULL,
    parent_asset text,
    tag text NOT NULL,
    delivery_location text NOT NULL,
    cost_centre text NOT NULL
);

ALTER TABLE public.asset OWNER TO maintenance_owner;

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

ALTER TABLE public.audit OWNER TO maintenance_owner;

ALTER TABLE public.audit ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.calendar (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    patterns jsonb NOT NULL,
    holidays date[] NOT NULL,
    revision integer NOT NULL
);

ALTER TABLE public.calendar OWNER TO maintenance_owner;

CREATE TABLE public.caught_up (
    consumer text NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE public.caught_up OWNER TO maintenance_owner;

CREATE TABLE public.consumer_position (
    consumer text NOT NULL,
    stream text NOT NULL,
    stream_seq bigint NOT NULL,
    stream_created timestamp with time zone
);

ALTER TABLE public.consumer_position OWNER TO maintenance_owner;

CREATE TABLE public.cost_line (
    work_order text NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    amount numeric(24,9) NOT NULL,
    currency_code text NOT NULL,
    cost_date date NOT NULL
);

ALTER TABLE public.cost_line OWNER TO maintenance_owner;

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

ALTER TABLE public.dead_letter OWNER TO maintenance_owner;

CREATE SEQUENCE public.document_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.document_number OWNER TO maintenance_owner;

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

ALTER TABLE public.idempotency OWNER TO maintenance_owner;

CREATE TABLE public.inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    stream_seq bigint NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (event_id);

ALTER TABLE public.inbox OWNER TO maintenance_owner;

CREATE TABLE public.job_run (
    job text NOT NULL,
    holder text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    failed text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.job_run OWNER TO maintenance_owner;

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

ALTER TABLE public.journal OWNER TO maintenance_owner;

ALTER TABLE public.journal ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.journal_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.maintenance_decision (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    revision text NOT NULL,
    assignment text NOT NULL,
    asset text NOT NULL,
    inputs jsonb NOT NULL,
    outcome text NOT NULL,
    explanation text[] NOT NULL
);

ALTER TABLE public.maintenance_decision OWNER TO maintenance_owner;

CREATE TABLE public.maintenance_import (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    delimiter text NOT NULL,
    encoding text NOT NULL,
    date_format text NOT NULL,
    currency_code text NOT NULL,
    null_tokens text[] NOT NULL,
    columns jsonb NOT NULL,
    state text NOT NULL,
    byte_count integer NOT NULL,
    row_count integer NOT NULL,
    imported_count integer NOT NULL,
    known_count integer NOT NULL,
    error_count integer NOT NULL,
    next_row integer NOT NULL
);

ALTER TABLE public.maintenance_import OWNER TO maintenance_owner;

CREATE TABLE public.maintenance_import_error (
    import text NOT NULL,
    "row" integer NOT NULL,
    column_name text NOT NULL,
    code text NOT NULL,
    text text NOT NULL
);

ALTER TABLE public.maintenance_import_error OWNER TO maintenance_owner;

CREATE TABLE public.maintenance_import_part (
    import text NOT NULL,
    first_byte integer NOT NULL,
    content bytea NOT NULL
);

ALTER TABLE public.maintenance_import_part OWNER TO maintenance_owner;

CREATE TABLE public.maintenance_policy (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    statutory boolean NOT NULL,
    active_revision text NOT NULL
);

ALTER TABLE public.maintenance_policy OWNER TO maintenance_owner;

CREATE TABLE public.maintenance_revision (
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
    kind text NOT NULL,
    usage_interval numeric(20,6),
    usage_lead numeric(20,6),
    interval_months integer NOT NULL,
    interval_days integer NOT NULL,
    month_rule text NOT NULL,
    lead_days integer NOT NULL,
    grace_days integer NOT NULL,
    catch_up text NOT NULL,
    order_title text NOT NULL,
    order_priority integer NOT NULL,
    estimated_hours numeric(20,6),
    steps jsonb NOT NULL,
    part_demands jsonb NOT NULL
);

ALTER TABLE public.maintenance_revision OWNER TO maintenance_owner;

CREATE TABLE public.meter (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    asset text NOT NULL,
    title text NOT NULL,
    unit_code text NOT NULL,
    rollover numeric(20,6),
    max_rate numeric(20,6),
    tolerance numeric(20,6),
    initial_value numeric(20,6),
    usage numeric(20,6) NOT NULL,
    last_value numeric(20,6),
    last_measure_time timestamp with time zone
);

ALTER TABLE public.meter OWNER TO maintenance_owner;

CREATE TABLE public.occurrence (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    assignment text NOT NULL,
    asset text NOT NULL,
    policy text NOT NULL,
    revision text NOT NULL,
    series integer NOT NULL,
    number integer NOT NULL,
    due_usage numeric(20,6),
    due_date date,
    required_date date,
    state text NOT NULL,
    reason text NOT NULL,
    work_order text NOT NULL,
    decision text NOT NULL,
    satisfy_time timestamp with time zone
);

ALTER TABLE public.occurrence OWNER TO maintenance_owner;

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

ALTER TABLE public.outbox OWNER TO maintenance_owner;

ALTER TABLE public.outbox ALTER COLUMN pos ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.part_demand (
    work_order text NOT NULL,
    demand text NOT NULL,
    "position" integer NOT NULL,
    item text NOT NULL,
    quantity numeric(20,6) NOT NULL,
    unit_code text NOT NULL,
    mandatory boolean NOT NULL,
    need_time timestamp with time zone,
    delivery_location text NOT NULL,
    state text NOT NULL,
    allocated numeric(20,6) NOT NULL,
    issued numeric(20,6) NOT NULL,
    reservation text NOT NULL,
    expected_date date,
    CONSTRAINT ck_part_demand_quantities CHECK (((quantity > (0)::numeric) AND (allocated >= (0)::numeric) AND (issued >= (0)::numeric)))
);

ALTER TABLE public.part_demand OWNER TO maintenance_owner;

CREATE TABLE public.person (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    display_name text NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.person OWNER TO maintenance_owner;

CREATE TABLE public.person_grant (
    person text NOT NULL,
    number integer NOT NULL,
    role text NOT NULL,
    site text NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone,
    state text NOT NULL,
    granted_by text NOT NULL,
    confirmed_by text NOT NULL
);

ALTER TABLE public.person_grant OWNER TO maintenance_owner;

CREATE TABLE public.policy_assignment (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    asset text NOT NULL,
    policy text NOT NULL,
    revision text NOT NULL,
    meter text,
    anchor_usage numeric(20,6),
    anchor_date date,
    series integer NOT NULL,
    next_number integer NOT NULL,
    next_usage numeric(20,6),
    next_date date,
    CONSTRAINT ck_policy_assignment_clock CHECK (((meter IS NOT NULL) = (next_usage IS NOT NULL)))
);

ALTER TABLE public.policy_assignment OWNER TO maintenance_owner;

CREATE TABLE public.principal_grant (
    principal text NOT NULL,
    role text NOT NULL,
    site text NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone
);

ALTER TABLE public.principal_grant OWNER TO maintenance_owner;

CREATE TABLE public.principal_state (
    principal text NOT NULL,
    state text NOT NULL
);

ALTER TABLE public.principal_state OWNER TO maintenance_owner;

CREATE TABLE public.reading (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    meter text NOT NULL,
    raw_value numeric(20,6) NOT NULL,
    measure_time timestamp with time zone NOT NULL,
    record_time timestamp with time zone NOT NULL,
    source text NOT NULL,
    person text NOT NULL,
    delta numeric(20,6) NOT NULL,
    usage numeric(20,6) NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    work_orders text[] NOT NULL
);

ALTER TABLE public.reading OWNER TO maintenance_owner;

CREATE TABLE public.relay_lease (
    shard integer NOT NULL,
    pid integer NOT NULL,
    pod text NOT NULL,
    beat_at timestamp with time zone NOT NULL
);

ALTER TABLE public.relay_lease OWNER TO maintenance_owner;

CREATE TABLE public.relay_position (
    shard integer NOT NULL,
    stored xid8 NOT NULL,
    window_end xid8,
    window_pos bigint DEFAULT '-1'::integer NOT NULL,
    stream_created timestamp with time zone,
    stream_seq bigint DEFAULT 0 NOT NULL
);

ALTER TABLE public.relay_position OWNER TO maintenance_owner;

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

ALTER TABLE public.replay_request OWNER TO maintenance_owner;

ALTER TABLE public.replay_request ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.replay_request_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.site (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    title text NOT NULL,
    time_zone text NOT NULL,
    currency_code text NOT NULL,
    country_code text NOT NULL,
    calendar text NOT NULL
);

ALTER TABLE public.site OWNER TO maintenance_owner;

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

ALTER TABLE public.waiting_event OWNER TO maintenance_owner;

CREATE TABLE public.work_order (
    name text NOT NULL,
    site text,
    version integer NOT NULL,
    event_version integer NOT NULL,
    correlation text NOT NULL,
    create_time timestamp with time zone NOT NULL,
    update_time timestamp with time zone NOT NULL,
    number text NOT NULL,
    asset text NOT NULL,
    kind text NOT NULL,
    origin text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    priority integer NOT NULL,
    state text NOT NULL,
    wait_reasons text[] NOT NULL,
    required_date date,
    planned_start_time timestamp with time zone,
    planned_finish_time timestamp with time zone,
    estimated_hours numeric(20,6),
    demand_version integer NOT NULL,
    cost_centre text NOT NULL,
    reporter text NOT NULL,
    approver text NOT NULL,
    actual_start_time timestamp with time zone,
    actual_finish_time timestamp with time zone,
    labor_hours numeric(20,6) NOT NULL,
    down_hours numeric(20,6),
    outcome text,
    finding text NOT NULL,
    failure_mode text NOT NULL,
    basis_changed boolean NOT NULL,
    occurrence text NOT NULL,
    decision text NOT NULL,
    policy_revision text NOT NULL,
    currency_code text NOT NULL,
    cost numeric(24,9) NOT NULL,
    external_id text NOT NULL
);

ALTER TABLE public.work_order OWNER TO maintenance_owner;

CREATE TABLE public.work_order_journal (
    work_order text NOT NULL,
    number integer NOT NULL,
    "time" timestamp with time zone NOT NULL,
    actor text NOT NULL,
    text text NOT NULL
);

ALTER TABLE public.work_order_journal OWNER TO maintenance_owner;

CREATE TABLE public.work_order_step (
    work_order text NOT NULL,
    number integer NOT NULL,
    text text NOT NULL,
    mandatory boolean NOT NULL,
    result text NOT NULL,
    person text NOT NULL
);

ALTER TABLE public.work_order_step OWNER TO maintenance_owner;

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.allowed_transition
    ADD CONSTRAINT pk_allowed_transition PRIMARY KEY (table_name, from_state, to_state);

ALTER TABLE ONLY public.applied
    ADD CONSTRAINT pk_applied PRIMARY KEY (consumer, aggregate);

ALTER TABLE ONLY public.asset
    ADD CONSTRAINT pk_asset PRIMARY KEY (name);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (pos);

ALTER TABLE ONLY public.calendar
    ADD CONSTRAINT pk_calendar PRIMARY KEY (name);

ALTER TABLE ONLY public.caught_up
    ADD CONSTRAINT pk_caught_up PRIMARY KEY (consumer);

ALTER TABLE ONLY public.consumer_position
    ADD CONSTRAINT pk_consumer_position PRIMARY KEY (consumer, stream);

ALTER TABLE ONLY public.cost_line
    ADD CONSTRAINT pk_cost_line PRIMARY KEY (work_order, source);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT pk_dead_letter PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT pk_idempotency PRIMARY KEY (principal, method, request_id);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (consumer, event_id);

ALTER TABLE ONLY public.job_run
    ADD CONSTRAINT pk_job_run PRIMARY KEY (job);

ALTER TABLE ONLY public.journal
    ADD CONSTRAINT pk_journal PRIMARY KEY (pos);

ALTER TABLE ONLY public.maintenance_decision
    ADD CONSTRAINT pk_maintenance_decision PRIMARY KEY (name);

ALTER TABLE ONLY public.maintenance_import
    ADD CONSTRAINT pk_maintenance_import PRIMARY KEY (name);

ALTER TABLE ONLY public.maintenance_import_error
    ADD CONSTRAINT pk_maintenance_import_error PRIMARY KEY (import, "row");

ALTER TABLE ONLY public.maintenance_import_part
    ADD CONSTRAINT pk_maintenance_import_part PRIMARY KEY (import, first_byte);

ALTER TABLE ONLY public.maintenance_policy
    ADD CONSTRAINT pk_maintenance_policy PRIMARY KEY (name);

ALTER TABLE ONLY public.maintenance_revision
    ADD CONSTRAINT pk_maintenance_revision PRIMARY KEY (name);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT pk_meter PRIMARY KEY (name);

ALTER TABLE ONLY public.occurrence
    ADD CONSTRAINT pk_occurrence PRIMARY KEY (name);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (pos, recorded_at);

ALTER TABLE ONLY public.part_demand
    ADD CONSTRAINT pk_part_demand PRIMARY KEY (work_order, demand);

ALTER TABLE ONLY public.person
    ADD CONSTRAINT pk_person PRIMARY KEY (name);

ALTER TABLE ONLY public.person_grant
    ADD CONSTRAINT pk_person_grant PRIMARY KEY (person, number);

ALTER TABLE ONLY public.policy_assignment
    ADD CONSTRAINT pk_policy_assignment PRIMARY KEY (name);

ALTER TABLE ONLY public.principal_grant
    ADD CONSTRAINT pk_principal_grant PRIMARY KEY (principal, role, site, from_time);

ALTER TABLE ONLY public.principal_state
    ADD CONSTRAINT pk_principal_state PRIMARY KEY (principal);

ALTER TABLE ONLY public.reading
    ADD CONSTRAINT pk_reading PRIMARY KEY (name);

ALTER TABLE ONLY public.relay_lease
    ADD CONSTRAINT pk_relay_lease PRIMARY KEY (shard);

ALTER TABLE ONLY public.relay_position
    ADD CONSTRAINT pk_relay_position PRIMARY KEY (shard);

ALTER TABLE ONLY public.replay_request
    ADD CONSTRAINT pk_replay_request PRIMARY KEY (number);

ALTER TABLE ONLY public.site
    ADD CONSTRAINT pk_site PRIMARY KEY (name);

ALTER TABLE ONLY public.waiting_event
    ADD CONSTRAINT pk_waiting_event PRIMARY KEY (consumer, aggregate, version);

ALTER TABLE ONLY public.work_order
    ADD CONSTRAINT pk_work_order PRIMARY KEY (name);

ALTER TABLE ONLY public.work_order_journal
    ADD CONSTRAINT pk_work_order_journal PRIMARY KEY (work_order, number);

ALTER TABLE ONLY public.work_order_step
    ADD CONSTRAINT pk_work_order_step PRIMARY KEY (work_order, number);

CREATE INDEX ix_asset_parent ON public.asset USING btree (parent_asset);

CREATE INDEX ix_asset_site ON public.asset USING btree (site, name);

CREATE INDEX ix_asset_tag ON public.asset USING btree (site, tag) WHERE (tag <> ''::text);

CREATE INDEX ix_audit_object ON public.audit USING btree (object, pos);

CREATE INDEX ix_dead_letter_open ON public.dead_letter USING btree (consumer, aggregate) WHERE (state = 'PARKED'::text);

CREATE INDEX ix_idempotency_expires_at ON public.idempotency USING btree (expires_at);

CREATE INDEX ix_journal_correlation ON public.journal USING btree (correlation, pos);

CREATE INDEX ix_maintenance_decision_asset ON public.maintenance_decision USING btree (asset, name);

CREATE INDEX ix_maintenance_decision_site ON public.maintenance_decision USING btree (site, name);

CREATE INDEX ix_maintenance_import_site ON public.maintenance_import USING btree (site, name);

CREATE INDEX ix_maintenance_revision_policy ON public.maintenance_revision USING btree (policy);

CREATE INDEX ix_meter_asset ON public.meter USING btree (asset);

CREATE INDEX ix_occurrence_required ON public.occurrence USING btree (site, required_date);

CREATE INDEX ix_occurrence_site ON public.occurrence USING btree (site, name);

CREATE INDEX ix_occurrence_work_order ON public.occurrence USING btree (work_order);

CREATE INDEX ix_outbox_aggregate ON ONLY public.outbox USING btree (aggregate_id, pos);

CREATE INDEX ix_outbox_xid ON ONLY public.outbox USING btree (xid);

CREATE INDEX ix_part_demand_reservation ON public.part_demand USING btree (reservation);

CREATE INDEX ix_policy_assignment_meter ON public.policy_assignment USING btree (meter);

CREATE INDEX ix_policy_assignment_next ON public.policy_assignment USING btree (next_date);

CREATE INDEX ix_reading_meter ON public.reading USING btree (meter, measure_time);

CREATE INDEX ix_replay_request_open ON public.replay_request USING btree (number) WHERE (finished_at IS NULL);

CREATE INDEX ix_work_order_asset ON public.work_order USING btree (asset, name);

CREATE INDEX ix_work_order_created ON public.work_order USING btree (site, create_time, name);

CREATE INDEX ix_work_order_external ON public.work_order USING btree (site, external_id) WHERE (external_id <> ''::text);

CREATE INDEX ix_work_order_site ON public.work_order USING btree (site, name);

CREATE INDEX ix_work_order_state ON public.work_order USING btree (site, state, name);

CREATE UNIQUE INDEX uq_asset_site_number ON public.asset USING btree (site, number);

CREATE UNIQUE INDEX uq_maintenance_revision_active ON public.maintenance_revision USING btree (policy) WHERE (state = 'ACTIVE'::text);

CREATE UNIQUE INDEX uq_occurrence_key ON public.occurrence USING btree (assignment, series, number);

CREATE UNIQUE INDEX uq_policy_assignment ON public.policy_assignment USING btree (asset, policy);

CREATE UNIQUE INDEX uq_work_order_number ON public.work_order USING btree (site, number);

CREATE TRIGGER asset_states BEFORE UPDATE OF state ON public.asset FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER journal_append_only BEFORE DELETE OR UPDATE ON public.journal FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER maintenance_import_states BEFORE UPDATE OF state ON public.maintenance_import FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER maintenance_revision_states BEFORE UPDATE OF state ON public.maintenance_revision FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER occurrence_states BEFORE UPDATE OF state ON public.occurrence FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER outbox_append_only BEFORE DELETE OR UPDATE ON public.outbox FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER outbox_no_truncate BEFORE TRUNCATE ON public.outbox FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER person_states BEFORE UPDATE OF state ON public.person FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER reading_states BEFORE UPDATE OF state ON public.reading FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

CREATE TRIGGER work_order_states BEFORE UPDATE OF state ON public.work_order FOR EACH ROW EXECUTE FUNCTION public.guard_state('state');

ALTER TABLE ONLY public.asset
    ADD CONSTRAINT fk_asset_parent_asset FOREIGN KEY (parent_asset) REFERENCES public.asset(name);

ALTER TABLE ONLY public.cost_line
    ADD CONSTRAINT fk_cost_line_work_order FOREIGN KEY (work_order) REFERENCES public.work_order(name);

ALTER TABLE ONLY public.maintenance_import_error
    ADD CONSTRAINT fk_maintenance_import_error_import FOREIGN KEY (import) REFERENCES public.maintenance_import(name);

ALTER TABLE ONLY public.maintenance_import_part
    ADD CONSTRAINT fk_maintenance_import_part_import FOREIGN KEY (import) REFERENCES public.maintenance_import(name);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT fk_meter_asset FOREIGN KEY (asset) REFERENCES public.asset(name);

ALTER TABLE ONLY public.occurrence
    ADD CONSTRAINT fk_occurrence_assignment FOREIGN KEY (assignment) REFERENCES public.policy_assignment(name);

ALTER TABLE ONLY public.part_demand
    ADD CONSTRAINT fk_part_demand_work_order FOREIGN KEY (work_order) REFERENCES public.work_order(name);

ALTER TABLE ONLY public.person_grant
    ADD CONSTRAINT fk_person_grant_person FOREIGN KEY (person) REFERENCES public.person(name);

ALTER TABLE ONLY public.policy_assignment
    ADD CONSTRAINT fk_policy_assignment_asset FOREIGN KEY (asset) REFERENCES public.asset(name);

ALTER TABLE ONLY public.policy_assignment
    ADD CONSTRAINT fk_policy_assignment_meter FOREIGN KEY (meter) REFERENCES public.meter(name);

ALTER TABLE ONLY public.policy_assignment
    ADD CONSTRAINT fk_policy_assignment_policy FOREIGN KEY (policy) REFERENCES public.maintenance_policy(name);

ALTER TABLE ONLY public.reading
    ADD CONSTRAINT fk_reading_meter FOREIGN KEY (meter) REFERENCES public.meter(name);

ALTER TABLE ONLY public.work_order
    ADD CONSTRAINT fk_work_order_asset FOREIGN KEY (asset) REFERENCES public.asset(name);

ALTER TABLE ONLY public.work_order_journal
    ADD CONSTRAINT fk_work_order_journal_work_order FOREIGN KEY (work_order) REFERENCES public.work_order(name);

ALTER TABLE ONLY public.work_order_step
    ADD CONSTRAINT fk_work_order_step_work_order FOREIGN KEY (work_order) REFERENCES public.work_order(name);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO maintenance_migrator;
GRANT USAGE ON SCHEMA public TO maintenance_app;
GRANT USAGE ON SCHEMA public TO maintenance_relay;

REVOKE ALL ON FUNCTION public.make_partitions(days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_partitions(days integer) TO maintenance_app;

GRANT SELECT ON TABLE public.alembic_version TO maintenance_app;
GRANT SELECT ON TABLE public.alembic_version TO maintenance_migrator;

GRANT SELECT ON TABLE public.allowed_transition TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.applied TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.asset TO maintenance_app;

GRANT INSERT ON TABLE public.audit TO maintenance_app;
GRANT SELECT ON TABLE public.audit TO maintenance_relay;

GRANT SELECT,INSERT,UPDATE ON TABLE public.calendar TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.caught_up TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.consumer_position TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.cost_line TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.dead_letter TO maintenance_app;

GRANT USAGE ON SEQUENCE public.document_number TO maintenance_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.inbox TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.job_run TO maintenance_app;

GRANT SELECT,INSERT ON TABLE public.journal TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.maintenance_decision TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.maintenance_import TO maintenance_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.maintenance_import_error TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.maintenance_import_part TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.maintenance_policy TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.maintenance_revision TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.meter TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.occurrence TO maintenance_app;

GRANT INSERT ON TABLE public.outbox TO maintenance_app;
GRANT SELECT ON TABLE public.outbox TO maintenance_relay;

GRANT SELECT(pos) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(xid) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(event_id) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(aggregate_type) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(aggregate_id) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(aggregate_version) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(site) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(correlation) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(payload) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(headers) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(occurred_at) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT(recorded_at) ON TABLE public.outbox TO maintenance_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.part_demand TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.person TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.person_grant TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.policy_assignment TO maintenance_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.principal_grant TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.principal_state TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.reading TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.relay_lease TO maintenance_relay;

GRANT SELECT ON TABLE public.relay_position TO maintenance_app;
GRANT SELECT,UPDATE ON TABLE public.relay_position TO maintenance_relay;

GRANT SELECT,INSERT ON TABLE public.replay_request TO maintenance_app;
GRANT SELECT,UPDATE ON TABLE public.replay_request TO maintenance_relay;

GRANT SELECT,INSERT,UPDATE ON TABLE public.site TO maintenance_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.waiting_event TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.work_order TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.work_order_journal TO maintenance_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.work_order_step TO maintenance_app;
