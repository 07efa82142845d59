"""What a person does with their own account: login, link, devices. It asks and shows; the SDK does."""
