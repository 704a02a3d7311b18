//! Shops: connections with their sealed credentials, products as typed rows, and the webhooks that have come.
//!
//! `credentials` is sealed JSON. `address` is what a shop is called by its own webhooks: a Shopify shop's name, a WooCommerce shop's
//! address. A product's `url_hash` ties it to the page that has its address, whoever wrote that page; `page_hash` is the content of the page that the sync
//! wrote itself, so that a page which a crawl has written since is left to the crawl. `seen_job` is the full sync that met the
//! product last: what it has not met is looked at one by one and then marked as gone. Amounts are exact decimals as the shop gave them.
use crate::tables::{drop_all, protect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE store_connections (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  platform text NOT NULL CHECK (platform IN ('woocommerce', 'shopify')),
  address text NOT NULL,
  name text,
  currency text,
  credentials bytea NOT NULL,
  state text NOT NULL DEFAULT 'connected' CHECK (state IN ('connected', 'failing')),
  error text,
  changes_since text,
  tried_at timestamptz,
  synced_at timestamptz,
  swept_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT store_connections_platform_key UNIQUE (customer_id, platform)
);
CREATE INDEX idx_store_connections_address ON store_connections (address, platform);
CREATE TABLE products (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  connection_id uuid NOT NULL REFERENCES store_connections ON DELETE CASCADE,
  external_id text NOT NULL,
  name text NOT NULL,
  sku text,
  url text,
  url_hash bytea GENERATED ALWAYS AS (hash_url(url)) STORED,
  image text,
  price numeric,
  price_high numeric,
  currency text,
  availability text CHECK (availability IN ('in_stock', 'out_of_stock', 'back_order')),
  stock bigint,
  attributes jsonb NOT NULL DEFAULT '[]',
  data_hash bytea NOT NULL,
  page_hash bytea,
  modified text,
  seen_job uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CONSTRAINT products_external_key UNIQUE (connection_id, external_id)
);
CREATE INDEX idx_products_customer ON products (customer_id, id);
CREATE INDEX idx_products_url ON products (customer_id, url_hash);
CREATE TABLE product_variants (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  product_id uuid NOT NULL REFERENCES products ON DELETE CASCADE,
  external_id text NOT NULL,
  name text NOT NULL,
  options jsonb NOT NULL DEFAULT '[]',
  sku text,
  price numeric,
  availability text CHECK (availability IN ('in_stock', 'out_of_stock', 'back_order')),
  stock bigint,
  CONSTRAINT product_variants_external_key UNIQUE (product_id, external_id)
);
CREATE INDEX idx_product_variants_customer ON product_variants (customer_id, product_id);
CREATE TABLE webhook_inbox (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES customer_configs ON DELETE CASCADE,
  connection_id uuid NOT NULL REFERENCES store_connections ON DELETE CASCADE,
  delivery_id text NOT NULL,
  topic text NOT NULL,
  payload_hash bytea NOT NULL,
  job_id uuid,
  received_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT webhook_inbox_delivery_key UNIQUE (connection_id, delivery_id)
);
CREATE INDEX idx_webhook_inbox_customer ON webhook_inbox (customer_id);
";

const TABLES: [&str; 4] = ["webhook_inbox", "product_variants", "products", "store_connections"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        for table in TABLES {
            protect(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_all(manager, &TABLES).await
    }
}
