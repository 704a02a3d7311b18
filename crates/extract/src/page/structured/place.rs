//! Organisations and their addresses.

use serde_json::{Map, Value, json};

use super::{put, text, thing::Thing};

/// Types of schema.org that are organisations; those of shops and services are many, and these are the frequent ones.
pub(super) const ORGANIZATIONS: &[&str] = &[
    "Organization",
    "Corporation",
    "LocalBusiness",
    "Store",
    "OnlineStore",
    "OnlineBusiness",
    "Restaurant",
    "Hotel",
    "ProfessionalService",
    "NGO",
    "EducationalOrganization",
    "GovernmentOrganization",
    "MedicalBusiness",
    "MedicalClinic",
    "Dentist",
    "Physician",
    "Pharmacy",
    "LegalService",
    "FinancialService",
    "BankOrCreditUnion",
    "InsuranceAgency",
    "RealEstateAgent",
    "TravelAgency",
    "AutoRepair",
    "AutoDealer",
    "HomeAndConstructionBusiness",
    "Plumber",
    "Electrician",
    "HealthAndBeautyBusiness",
    "HairSalon",
    "BeautySalon",
    "SportsActivityLocation",
    "ExerciseGym",
    "Bakery",
    "CafeOrCoffeeShop",
    "BarOrPub",
    "FoodEstablishment",
    "LodgingBusiness",
    "ClothingStore",
    "ElectronicsStore",
    "FurnitureStore",
    "HardwareStore",
    "BookStore",
    "BikeStore",
    "ShoeStore",
    "JewelryStore",
    "ToyStore",
    "PetStore",
    "Florist",
    "GroceryStore",
    "GardenStore",
    "SportingGoodsStore",
    "HomeGoodsStore",
    "AutoPartsStore",
    "Library",
    "Museum",
    "School",
    "CollegeOrUniversity",
    "Hospital",
];

/// Types that have hours or an address and are no organisation.
const OTHERS: &[&str] = &[
    "Person",
    "Patient",
    "ContactPoint",
    "ContactPage",
    "PostalAddress",
    "Place",
    "TouristAttraction",
    "Event",
    "Product",
    "Offer",
    "Service",
    "Accommodation",
    "Apartment",
    "House",
    "JobPosting",
];

/// Whether an item is an organisation: by its type, or, since schema.org has very many types of shops and services, by what only somebody
/// has who serves people.
pub(super) fn is_organization(item: Thing<'_>) -> bool {
    let has = |key: &str| item.get(key).is_some();
    item.is(ORGANIZATIONS)
        || item.has_type()
            && !item.is(OTHERS)
            && (has("openingHours") || has("openingHoursSpecification") || has("address") && has("telephone"))
}

/// An organisation: `name`, `legal_name`, `description`, `url`, `logo`, `email`, `telephone`, `address`, `vat_id`, `price_range`,
/// `same_as`.
pub(super) fn organization(item: Thing<'_>) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, "name", Some(item.short(&["name", "legalName"])?));
    for (name, key) in [
        ("legal_name", "legalName"),
        ("vat_id", "vatID"),
        ("price_range", "priceRange"),
    ] {
        put(&mut out, name, item.short(&[key]));
    }
    put(&mut out, "description", item.long(&["description"]));
    put(&mut out, "url", item.addresses("url", 1).pop());
    put(&mut out, "logo", item.addresses("logo", 1).pop());
    put(
        &mut out,
        "email",
        item.short(&["email"]).map(|email| without_scheme(&email)),
    );
    put(
        &mut out,
        "telephone",
        item.short(&["telephone"]).map(|number| without_scheme(&number)),
    );
    put(&mut out, "address", item.get("address").and_then(address));
    let same = item.addresses("sameAs", 10);
    if !same.is_empty() {
        out.insert("same_as".to_owned(), json!(same));
    }
    Some(Value::Object(out))
}

pub(super) fn without_scheme(text: &str) -> String {
    let bare = text
        .strip_prefix("mailto:")
        .or_else(|| text.strip_prefix("tel:"))
        .unwrap_or(text);
    bare.trim().to_owned()
}

/// `Main Street 1, 12345 Town, Region, Country`.
pub(super) fn address(item: Thing<'_>) -> Option<String> {
    let town = [item.short(&["postalCode"]), item.short(&["addressLocality"])];
    let town: Vec<String> = town.into_iter().flatten().collect();
    let parts = [
        item.short(&["streetAddress"]),
        Some(town.join(" ")).filter(|town| !town.is_empty()),
        item.short(&["addressRegion"]),
        item.short(&["addressCountry"]),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        item.text(text::SHORT).filter(|text| !text.starts_with(['#', '_']))
    } else {
        Some(parts.join(", "))
    }
}
