//! Organisations, their addresses and their opening hours.

use serde_json::{Map, Value, json};

use super::{put, text, thing::Thing};

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// Most lines of opening hours.
const MAX_HOURS: usize = 30;

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

/// Opening hours: `name`, `hours` (`days`, `opens`, `closes`, and `from` and `through` for exceptions), from
/// `openingHoursSpecification` or from `openingHours` (`Mo-Fr 09:00-17:00`).
pub(super) fn hours(item: Thing<'_>) -> Option<Value> {
    let specified = item
        .list("openingHoursSpecification")
        .chain(item.list("specialOpeningHoursSpecification"));
    let mut lines: Vec<Value> = specified.take(MAX_HOURS).filter_map(specification).collect();
    if lines.is_empty() {
        let texts = item
            .list("openingHours")
            .take(MAX_HOURS)
            .filter_map(|it| it.text(text::SHORT));
        lines = texts
            .flat_map(|text| text.split([',', ';']).filter_map(line).collect::<Vec<_>>())
            .take(MAX_HOURS)
            .collect();
    }
    if lines.is_empty() {
        return None;
    }
    let mut out = Map::new();
    put(&mut out, "name", item.short(&["name"]));
    out.insert("hours".to_owned(), Value::Array(lines));
    Some(Value::Object(out))
}

fn specification(item: Thing<'_>) -> Option<Value> {
    let days: Vec<&str> = item
        .list("dayOfWeek")
        .filter_map(|it| day(&it.text(text::SHORT)?))
        .map(|day| DAYS[day])
        .collect();
    let mut out = Map::new();
    put(&mut out, "opens", item.short(&["opens"]));
    put(&mut out, "closes", item.short(&["closes"]));
    put(&mut out, "from", item.short(&["validFrom"]));
    put(&mut out, "through", item.short(&["validThrough"]));
    if (days.is_empty() && !out.contains_key("from")) || out.is_empty() {
        return None;
    }
    out.insert("days".to_owned(), json!(days));
    Some(Value::Object(out))
}

/// `Mo-Fr 09:00-17:00`, `Sa 10:00-14:00`, `Mo 09:00-17:00`. A part with days only belongs to the times of a later one and is
/// left out rather than guessed.
fn line(text: &str) -> Option<Value> {
    let (days, times) = text.trim().split_once(' ')?;
    let (opens, closes) = times.trim().split_once('-')?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7 + 1;
    let days: Vec<&str> = (0..count).map(|offset| DAYS[(first + offset) % 7]).collect();
    let is_time = |text: &str| text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let (opens, closes) = (opens.trim(), closes.trim());
    (is_time(opens) && is_time(closes)).then(|| json!({ "days": days, "opens": opens, "closes": closes }))
}

/// `Monday`, `https://schema.org/Monday`, `Mo`.
fn day(text: &str) -> Option<usize> {
    let word = text.trim().rsplit(['/', '#']).next()?.to_ascii_lowercase();
    (word.len() >= 2).then(|| DAYS.iter().position(|day| day.starts_with(&word)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hours() {
        assert_eq!(
            line("Sa-Mo 09:00-17:00").unwrap(),
            json!({"days": ["saturday", "sunday", "monday"], "opens": "09:00", "closes": "17:00"})
        );
        assert_eq!(line("Tu 8:30 - 12:00").unwrap()["days"], json!(["tuesday"]));
        for none in ["Mo-Fr", "Mo closed", "Xx 09:00-10:00", "", "Mo 9-17"] {
            assert_eq!(line(none), None, "{none}");
        }
        assert_eq!(day("http://schema.org/Sunday"), Some(6));
    }
}
