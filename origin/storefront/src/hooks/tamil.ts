/** The shop's words in Tamil, by their English form. */
export const TAMIL: Readonly<Record<string, string>> = {
  Home: "முகப்பு", Catalogue: "பட்டியல்", "Price list": "விலைப்பட்டியல்", Bundles: "தொகுப்புகள்", "Gift boxes": "பரிசுப் பெட்டிகள்",
  Help: "உதவி", Search: "தேடு", "Search fireworks": "பட்டாசுகளைத் தேடுங்கள்", "In stock": "இருப்பில் உள்ளது", "Few left": "சில மட்டுமே உள்ளன",
  "Sold out": "விற்றுத் தீர்ந்தது", "Not for sale": "விற்பனைக்கு இல்லை", "Add to list": "பட்டியலில் சேர்", Total: "மொத்தம்", "You save": "நீங்கள் சேமிப்பது",
  Categories: "வகைகள்", Featured: "சிறப்பானவை", "Browse the catalogue": "பட்டியலைப் பாருங்கள்", "Open the price list": "விலைப்பட்டியலைத் திறக்கவும்",
  Filters: "வடிகட்டிகள்", Sort: "வரிசை", Category: "வகை", "All categories": "அனைத்து வகைகளும்", Availability: "இருப்பு", Any: "எதுவும்", "Can be had now": "இப்போது கிடைக்கும்",
  "Most popular": "மிகவும் பிரபலமானவை", "Best match": "சிறந்த பொருத்தம்", Cheapest: "விலை குறைவு முதல்", Dearest: "விலை அதிகம் முதல்", Name: "பெயர்", "Best rated": "சிறந்த மதிப்பீடு",
  Newest: "புதியவை", "Show more": "மேலும் காட்டு", "Try again": "மீண்டும் முயலுங்கள்", Quantity: "எண்ணிக்கை", Print: "அச்சிடு", Clear: "அழி", Safety: "பாதுகாப்பு", About: "விவரம்", Delivery: "விநியோகம்", Pictures: "படங்கள்", Packing: "பொதியல்",
  "Price from": "விலை முதல்", "Price to": "விலை வரை", "Page not found": "பக்கம் கிடைக்கவில்லை", "Back to the shop": "கடைக்குத் திரும்பு", "in your list": "உங்கள் பட்டியலில்",
  "Minimum order": "குறைந்தபட்ச ஆர்டர்", Licence: "உரிமம்", Contact: "தொடர்பு", Contents: "உள்ளடக்கம்", Price: "விலை", Product: "பொருள்",
};
